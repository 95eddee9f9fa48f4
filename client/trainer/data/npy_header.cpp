#include "client/trainer/data/npy_header.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

namespace consilium::data {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::uint32_t kMaxDictionaryBytes = 65536;
constexpr std::size_t kMaxRank = 8;
constexpr std::uint64_t kMaxDimension = std::uint64_t{1} << 48;

std::string shown(std::string_view text) {
  std::string result(text.substr(0, 40));
  std::replace_if(
      result.begin(), result.end(), [](char letter) { return letter < 0x20 || letter > 0x7E; }, '?');
  return result;
}

/// Reads the few kinds of Python literals that numpy writes, from front to back.
class Literals {
 public:
  explicit Literals(std::string_view text) : rest_(text) {}

  bool take(char letter) {
    skip_space();
    if (rest_.empty() || rest_.front() != letter) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_word(std::string_view word) {
    skip_space();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::optional<std::string_view> take_string() {
    skip_space();
    if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) return std::nullopt;
    const std::size_t end = rest_.find(rest_.front(), 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view content = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return content;
  }
  std::optional<std::uint64_t> take_number() {
    skip_space();
    std::uint64_t value = 0;
    std::size_t digits = 0;
    for (; digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9'; ++digits) {
      value = value * 10 + static_cast<std::uint64_t>(rest_[digits] - '0');
      if (value > kMaxDimension) return std::nullopt;
    }
    if (digits == 0) return std::nullopt;
    rest_.remove_prefix(digits);
    return value;
  }
  bool at_end() {
    skip_space();
    return rest_.empty();
  }

 private:
  void skip_space() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n')) rest_.remove_prefix(1);
  }

  std::string_view rest_;
};

Result<ElementType> type_of(std::string_view descr) {
  constexpr std::array<std::pair<std::string_view, ElementType>, 10> known{{{"|u1", ElementType::kUint8},
                                                                            {"|i1", ElementType::kInt8},
                                                                            {"<u2", ElementType::kUint16},
                                                                            {"<i2", ElementType::kInt16},
                                                                            {"<u4", ElementType::kUint32},
                                                                            {"<i4", ElementType::kInt32},
                                                                            {"<u8", ElementType::kUint64},
                                                                            {"<i8", ElementType::kInt64},
                                                                            {"<f4", ElementType::kFloat32},
                                                                            {"<f8", ElementType::kFloat64}}};
  for (const auto& [name, type] : known) {
    if (descr == name) return type;
  }
  return refuse(
      fmt::format("its elements are '{}', expected uint8, float32, float64 or (labels) integers, little-endian: "
                  "convert it with numpy's astype",
                  shown(descr)));
}

Result<std::vector<std::uint64_t>> shape_of(Literals& literals) {
  std::vector<std::uint64_t> shape;
  if (!literals.take('(')) return refuse("its header's shape isn't a tuple");
  while (!literals.take(')')) {
    const auto dimension = literals.take_number();
    if (!dimension) return refuse("its header's shape holds something other than numbers from 0 to 2^48");
    shape.push_back(*dimension);
    if (shape.size() > kMaxRank) return refuse(fmt::format("its header's shape has more than {} dimensions", kMaxRank));
    if (literals.take(',')) continue;
    if (!literals.take(')')) return refuse("its header's shape isn't a tuple");
    break;
  }
  return shape;
}

/// The three members of the header, as found so far.
struct Members {
  std::optional<std::string_view> descr;
  std::optional<bool> fortran;
  std::optional<std::vector<std::uint64_t>> shape;
};

Result<void> read_member(Literals& literals, Members& members) {
  const auto key = literals.take_string();
  if (!key || !literals.take(':')) return refuse("its header isn't a dictionary as numpy writes it");
  if (*key == "descr" && !members.descr) {
    members.descr = literals.take_string();
    if (!members.descr) return refuse("its header's descr isn't a plain type: structured arrays can't be read");
  } else if (*key == "fortran_order" && !members.fortran) {
    const bool yes = literals.take_word("True");
    if (!yes && !literals.take_word("False")) return refuse("its header's fortran_order is neither True nor False");
    members.fortran = yes;
  } else if (*key == "shape" && !members.shape) {
    CONSILIUM_ASSIGN(members.shape, shape_of(literals));
  } else {
    return refuse(fmt::format("its header has the key '{}' that is unknown or repeated", shown(*key)));
  }
  return {};
}

}  // namespace

Result<ArrayHeader> parse_npy_dictionary(std::string_view text) {
  Literals literals(text);
  Members members;
  if (!literals.take('{')) return refuse("its header isn't a dictionary as numpy writes it");
  while (!literals.take('}')) {
    CONSILIUM_TRY(read_member(literals, members));
    if (literals.take(',')) continue;
    if (!literals.take('}')) return refuse("its header isn't a dictionary as numpy writes it");
    break;
  }
  if (!literals.at_end()) return refuse("its header has more text after its dictionary");
  if (!members.descr || !members.fortran || !members.shape)
    return refuse("its header lacks one of descr, fortran_order and shape");
  CONSILIUM_ASSIGN(const ElementType type, type_of(*members.descr));
  const auto long_axes =
      std::count_if(members.shape->begin(), members.shape->end(), [](std::uint64_t size) { return size > 1; });
  if (*members.fortran && long_axes > 1)
    return refuse("is in Fortran order: save it again through numpy.ascontiguousarray");
  return ArrayHeader{type, std::move(*members.shape)};
}

Result<ArrayHeader> read_npy_header(ByteSource& source, std::uint64_t& header_bytes) {
  std::array<unsigned char, 8> start{};
  CONSILIUM_TRY(source.read(std::as_writable_bytes(std::span(start))));
  if (!std::equal(kMagic.begin(), kMagic.end(), start.begin(),
                  [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; })) {
    return refuse("isn't a .npy array: it doesn't begin with \\x93NUMPY");
  }
  const unsigned version = start[6];
  if (version < 1 || version > 3 || start[7] != 0) {
    return refuse(fmt::format("has .npy format {}.{}, expected 1.0, 2.0 or 3.0", version, unsigned{start[7]}));
  }
  std::array<unsigned char, 4> length{};
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  CONSILIUM_TRY(source.read(std::as_writable_bytes(std::span(length).first(length_bytes))));
  const std::uint32_t size = std::uint32_t{length[0]} | std::uint32_t{length[1]} << 8 | std::uint32_t{length[2]} << 16 |
                             std::uint32_t{length[3]} << 24;
  if (size > kMaxDictionaryBytes)
    return refuse(fmt::format("declares a header of {} bytes, at most {} are accepted", size, kMaxDictionaryBytes));
  std::string dictionary(size, '\0');
  CONSILIUM_TRY(source.read(std::as_writable_bytes(std::span(dictionary))));
  header_bytes = start.size() + length_bytes + size;
  return parse_npy_dictionary(dictionary);
}

}  // namespace consilium::data
