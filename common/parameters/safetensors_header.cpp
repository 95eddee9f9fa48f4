#include "common/parameters/safetensors_header.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace consilium {
namespace {

using nlohmann::json;
using Entries = std::map<std::string, SafetensorsEntry>;

constexpr int kMaxDepth = 3;  // the header, a tensor, its shape
constexpr std::size_t kMaxRank = 8;
constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 48;
constexpr std::string_view kCounter = "num_batches_tracked";
constexpr std::string_view kMetadata = "__metadata__";

/// Prepares a hostile name for messages: shortens it, and shows anything but printable ASCII as '?'.
std::string shown(std::string_view name) {
  std::string text(name.substr(0, 80));
  std::replace_if(
      text.begin(), text.end(), [](char letter) { return letter < 0x20 || letter > 0x7E; }, '?');
  return text;
}

/// Parses without exceptions, drops everything below kMaxDepth, and refuses an object that repeats a key.
Result<json> parse_flat(std::string_view text) {
  std::vector<std::set<std::string>> keys(kMaxDepth + 1);
  std::string fault;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    const auto level = static_cast<std::size_t>(depth);
    if (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) {
      if (depth >= kMaxDepth) {
        if (fault.empty()) fault = "its header is nested too deeply";
        return false;
      }
      keys[level + 1].clear();
    }
    if (event == json::parse_event_t::key && level < keys.size()) {
      const auto& key = value.get_ref<const std::string&>();
      if (!keys[level].insert(key).second && fault.empty())
        fault = fmt::format("its header names '{}' twice", shown(key));
    }
    return true;
  };
  json parsed = json::parse(text, watch, false);
  if (!fault.empty()) return refuse(fault);
  if (parsed.is_discarded()) return refuse("its header isn't valid JSON");
  if (!parsed.is_object()) return refuse("its header isn't a JSON object");
  return parsed;
}

Result<std::uint64_t> number(const json& value, std::string_view name, std::string_view field) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kMaxNumber) {
    return refuse(fmt::format("tensor '{}': {}: expected whole numbers from 0 to 2^48", shown(name), field));
  }
  return value.get<std::uint64_t>();
}

Result<SafetensorsEntry> entry_of(const std::string& name, const json& value) {
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") || !value.contains("shape") ||
      !value.contains("data_offsets")) {
    return refuse(fmt::format("tensor '{}': expected exactly dtype, shape and data_offsets", shown(name)));
  }
  SafetensorsEntry entry;
  const json& dtype = value["dtype"];
  if (!dtype.is_string()) return refuse(fmt::format("tensor '{}': dtype: expected a string", shown(name)));
  entry.dtype = dtype.get<std::string>();
  const json& shape = value["shape"];
  if (!shape.is_array() || shape.size() > kMaxRank) {
    return refuse(fmt::format("tensor '{}': shape: expected an array of at most {} numbers", shown(name), kMaxRank));
  }
  for (const json& dimension : shape) {
    CONSILIUM_ASSIGN(const std::uint64_t size, number(dimension, name, "shape"));
    entry.shape.push_back(static_cast<std::int64_t>(size));
  }
  const json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2) {
    return refuse(fmt::format("tensor '{}': data_offsets: expected an array of two numbers", shown(name)));
  }
  CONSILIUM_ASSIGN(entry.begin, number(offsets[0], name, "data_offsets"));
  CONSILIUM_ASSIGN(entry.end, number(offsets[1], name, "data_offsets"));
  if (entry.begin > entry.end)
    return refuse(fmt::format("tensor '{}': data_offsets: the end lies before the beginning", shown(name)));
  return entry;
}

Result<void> check_tiling(const Entries& entries, std::uint64_t data_bytes) {
  std::vector<const Entries::value_type*> order;
  for (const auto& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  std::uint64_t cursor = 0;
  for (const auto* entry : order) {
    if (entry->second.begin != cursor) {
      return refuse(
          fmt::format("tensor '{}' begins at byte {} of the data, expected {}: tensors overlap or leave a hole",
                      shown(entry->first), entry->second.begin, cursor));
    }
    cursor = entry->second.end;
  }
  if (cursor != data_bytes) {
    return refuse(fmt::format("its header declares {} bytes of data, the file holds {}", cursor, data_bytes));
  }
  return {};
}

Result<void> check_tensor(const TensorInfo& tensor, const SafetensorsEntry& entry) {
  if (entry.dtype == "F32" && entry.shape != tensor.shape) {
    return refuse(fmt::format("tensor '{}': expected shape [{}], found [{}]", tensor.name,
                              fmt::join(tensor.shape, ", "), fmt::join(entry.shape, ", ")));
  }
  return check_values(tensor.name, entry, tensor.size);
}

}  // namespace

bool counts_batches(std::string_view name) {
  if (!name.ends_with(kCounter)) return false;
  name.remove_suffix(kCounter.size());
  return name.empty() || name.back() == '.';
}

Result<Entries> parse_safetensors_header(std::string_view text, std::uint64_t data_bytes) {
  CONSILIUM_ASSIGN(const json header, parse_flat(text));
  Entries entries;
  for (const auto& [name, value] : header.items()) {
    if (name == kMetadata) continue;
    CONSILIUM_ASSIGN(SafetensorsEntry entry, entry_of(name, value));
    entries.emplace(name, std::move(entry));
  }
  CONSILIUM_TRY(check_tiling(entries, data_bytes));
  return entries;
}

Result<void> check_values(std::string_view name, const SafetensorsEntry& entry, std::uint64_t elements) {
  if (entry.dtype != "F32") {
    return refuse(fmt::format("tensor '{}': expected dtype F32, found '{}'", name, shown(entry.dtype)));
  }
  const std::uint64_t bytes = entry.end - entry.begin;
  if (bytes % sizeof(float) != 0 || bytes / sizeof(float) != elements) {
    return refuse(
        fmt::format("tensor '{}': expected {} bytes, its data_offsets span {}", name, elements * sizeof(float), bytes));
  }
  return {};
}

Result<void> check_tensors(const Entries& entries, const ParameterManifest& manifest) {
  std::set<std::string_view> names;
  for (const TensorInfo& tensor : manifest.tensors()) {
    names.insert(tensor.name);
    const auto found = entries.find(tensor.name);
    if (found == entries.end()) {
      return refuse(fmt::format("tensor '{}' of shape [{}] is missing", tensor.name, fmt::join(tensor.shape, ", ")));
    }
    CONSILIUM_TRY(check_tensor(tensor, found->second));
  }
  for (const auto& [name, entry] : entries) {
    if (names.contains(name) || (counts_batches(name) && entry.dtype == "I64")) continue;
    return refuse(fmt::format("tensor '{}' ({}) doesn't belong to the model", shown(name), shown(entry.dtype)));
  }
  return {};
}

}  // namespace consilium
