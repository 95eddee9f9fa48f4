#include "common/config/section.h"

#include <algorithm>

#include "common/config/nearest.h"
#include "common/config/scalars.h"

namespace consilium::config {

Section::Section(Value value, std::initializer_list<std::string_view> required,
                 std::initializer_list<std::string_view> optional)
    : Section(std::move(value), std::vector(required), std::vector(optional)) {}

Section::Section(Value value, const std::vector<std::string_view>& required,
                 const std::vector<std::string_view>& optional)
    : value_(std::move(value)) {
  std::vector<std::string_view> known(required);
  known.insert(known.end(), optional.begin(), optional.end());
  if (value_.present() && !value_.is_map()) refuse(value_.expected("a map"));
  if (value_.is_map()) refuse_unknown(known);
  for (const std::string_view key : required) {
    if (!has(key)) refuse(value_.at(key).problem("this key is missing"));
  }
}

void Section::refuse_unknown(const std::vector<std::string_view>& known) {
  for (const std::string& key : value_.entry()->keys) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return refuse(value_.at(key).problem("unknown key; " + meant(key, known)));
  }
}

void Section::refuse(Error error) {
  if (ok()) result_ = fail(std::move(error));
}

template <class T>
void Section::assign(Result<T> value, T& to) {
  if (!value) return refuse(std::move(value).error());
  to = std::move(*value);
}

void Section::text(std::string_view key, std::string& to, std::size_t most) {
  if (wanted(key)) assign(at(key).text(most), to);
}

void Section::name(std::string_view key, std::string& to) {
  if (wanted(key)) assign(at(key).name(), to);
}

void Section::names(std::string_view key, std::vector<std::string>& to, std::size_t least, std::size_t most) {
  if (wanted(key)) assign(at(key).names(least, most), to);
}

void Section::number(std::string_view key, double& to, const NumberRange& range) {
  if (wanted(key)) assign(at(key).number(range), to);
}

void Section::integer(std::string_view key, std::uint64_t& to, const IntegerRange& range) {
  if (wanted(key)) assign(at(key).integer(range), to);
}

void Section::integer(std::string_view key, std::uint32_t& to, const IntegerRange& range) {
  std::uint64_t wide = to;
  integer(key, wide, range);
  to = static_cast<std::uint32_t>(wide);
}

void Section::boolean(std::string_view key, bool& to) {
  if (wanted(key)) assign(at(key).boolean(), to);
}

void Section::duration(std::string_view key, std::chrono::milliseconds& to, const DurationRange& range) {
  if (wanted(key)) assign(at(key).duration(range), to);
}

void Section::size(std::string_view key, std::uint64_t& to) {
  if (wanted(key)) assign(at(key).size(), to);
}

void Section::file(std::string_view key, std::filesystem::path& to) {
  if (wanted(key)) assign(at(key).file(), to);
}

std::optional<std::size_t> Section::choose(std::string_view key, const std::vector<std::string_view>& words) {
  if (!wanted(key)) return std::nullopt;
  const Entry* entry = at(key).entry();
  if (entry->kind == Entry::Kind::kScalar) {
    const auto found = std::find(words.begin(), words.end(), entry->text);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  }
  std::string list;
  for (const std::string_view word : words) list.append(list.empty() ? "" : ", ").append(word);
  std::string expected = words.size() > 1 ? "one of " + list : list;
  if (entry->kind == Entry::Kind::kScalar && words.size() > 1) {
    const std::string near = nearest(entry->text, words);
    refuse(at(key).problem("expected " + expected + ", found " + in_quotes(entry->text) +
                           (near.empty() ? "" : "; did you mean '" + near + "'?")));
  } else {
    refuse(at(key).expected(expected));
  }
  return std::nullopt;
}

}  // namespace consilium::config
