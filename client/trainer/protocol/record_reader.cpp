#include "client/trainer/protocol/record_reader.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "client/trainer/protocol/messages.h"

namespace consilium::trainer {

namespace {

Error bad_record(std::string message) { return {ErrorCode::kDataLoss, "trainer protocol: " + std::move(message)}; }

/// Returns the maximum nesting of brackets outside strings. It is counted before parsing, so that deep nesting costs
/// nothing.
std::size_t depth_of(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

Result<nlohmann::json> parse_record(std::string_view text) {
  if (text.size() > kMaxRecordBytes) {
    return fail(
        bad_record(fmt::format("expected a record of at most {} bytes, found {}", kMaxRecordBytes, text.size())));
  }
  if (depth_of(text) > kMaxRecordDepth) {
    return fail(bad_record(fmt::format("expected a record at most {} levels deep", kMaxRecordDepth)));
  }
  std::vector<std::set<std::string>> keys;
  bool repeated = false;
  const auto watch = [&](int, nlohmann::json::parse_event_t event, nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end && !keys.empty()) keys.pop_back();
    if (event == Event::key && !keys.empty()) {
      repeated = !keys.back().insert(value.get_ref<const std::string&>()).second || repeated;
    }
    return true;
  };
  nlohmann::json json = nlohmann::json::parse(text, watch, false);
  if (json.is_discarded()) return fail(bad_record("a record is not JSON"));
  if (repeated) return fail(bad_record("a record has the same key twice"));
  if (!json.is_object()) return fail(bad_record("expected a record that is an object"));
  return json;
}

RecordReader::RecordReader(const nlohmann::json& json, std::string path) : json_(json), path_(std::move(path)) {
  if (!json_.is_object()) error_ = bad_record(path_ + ": expected an object");
}

const nlohmann::json* RecordReader::member(std::string_view key) {
  if (error_) return nullptr;
  keys_.emplace_back(key);
  const auto found = json_.find(keys_.back());
  if (found == json_.end()) {
    error_ = bad_record(path_of(key) + ": missing");
    return nullptr;
  }
  return &*found;
}

void RecordReader::refuse(std::string_view key, std::string_view expected) {
  if (!error_) error_ = bad_record(fmt::format("{}: expected {}", path_of(key), expected));
}

void RecordReader::take(Error error) {
  if (!error_) error_ = bad_record(std::move(error.message));
}

std::string RecordReader::text(std::string_view key, std::size_t max_bytes, bool may_be_empty) {
  const auto* value = member(key);
  if (value == nullptr) return {};
  const auto* found = value->get_ptr<const std::string*>();
  if (found == nullptr || found->size() > max_bytes || (found->empty() && !may_be_empty)) {
    refuse(key, fmt::format("a string of {} to {} bytes", may_be_empty ? 0 : 1, max_bytes));
    return {};
  }
  return *found;
}

std::uint64_t RecordReader::integer(std::string_view key, std::uint64_t least, std::uint64_t most) {
  const auto* value = member(key);
  if (value == nullptr) return least;
  const auto number = value->is_number_unsigned() ? value->get<std::uint64_t>() : 0;
  if (!value->is_number_unsigned() || number < least || number > most) {
    refuse(key, fmt::format("an integer from {} to {}", least, most));
    return least;
  }
  return number;
}

std::uint32_t RecordReader::integer32(std::string_view key, std::uint32_t least) {
  return static_cast<std::uint32_t>(integer(key, least, std::numeric_limits<std::uint32_t>::max()));
}

double RecordReader::number(std::string_view key, double least, double most) {
  const auto* value = member(key);
  if (value == nullptr) return least;
  const double number = value->is_number() ? value->get<double>() : std::nan("");
  if (!(number >= least && number <= most)) {
    refuse(key, fmt::format("a number from {} to {}", least, most));
    return least;
  }
  return number;
}

bool RecordReader::boolean(std::string_view key) {
  const auto* value = member(key);
  if (value == nullptr) return false;
  if (!value->is_boolean()) refuse(key, "true or false");
  return value->is_boolean() && value->get<bool>();
}

std::vector<double> RecordReader::numbers(std::string_view key, std::size_t max_size, double least, double most) {
  const auto* value = member(key);
  if (value == nullptr) return {};
  const auto fits = [&](const nlohmann::json& item) {
    return item.is_number() && item.get<double>() >= least && item.get<double>() <= most;
  };
  if (!value->is_array() || value->size() > max_size || !std::all_of(value->begin(), value->end(), fits)) {
    refuse(key, fmt::format("at most {} numbers from {} to {}", max_size, least, most));
    return {};
  }
  return value->get<std::vector<double>>();
}

std::vector<std::uint64_t> RecordReader::integers(std::string_view key, std::size_t max_size) {
  const auto* value = member(key);
  if (value == nullptr) return {};
  const auto fits = [](const nlohmann::json& item) { return item.is_number_unsigned(); };
  if (!value->is_array() || value->size() > max_size || !std::all_of(value->begin(), value->end(), fits)) {
    refuse(key, fmt::format("at most {} integers >= 0", max_size));
    return {};
  }
  return value->get<std::vector<std::uint64_t>>();
}

Result<void> RecordReader::finish() {
  if (!error_) {
    for (const auto& [key, value] : json_.items()) {
      if (std::find(keys_.begin(), keys_.end(), key) == keys_.end()) {
        error_ = bad_record(path_ + "." + key.substr(0, 64) + ": unknown key");
        break;
      }
    }
  }
  if (error_) return fail(*error_);
  return {};
}

}  // namespace consilium::trainer
