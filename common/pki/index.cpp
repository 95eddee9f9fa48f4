#include "common/pki/index.h"

#include <array>
#include <nlohmann/json.hpp>

#include "common/crypto/sha256.h"
#include "common/files/files.h"

namespace consilium::pki {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxIndexBytes = 16 * 1024 * 1024;
constexpr int kVersion = 1;

json to_json(const IndexEntry& entry) {
  json value = {{"role", name_of(entry.role)},
                {"name", entry.name},
                {"serial", entry.serial},
                {"not_after", to_iso(entry.not_after)},
                {"fingerprint", entry.fingerprint}};
  if (entry.revoked_at != 0) {
    value["revoked_at"] = to_iso(entry.revoked_at);
  }
  return value;
}

Result<IndexEntry> entry_from(const json& value) {
  IndexEntry entry;
  CONSILIUM_ASSIGN(entry.role, role_from_name(value.at("role").get<std::string>()));
  entry.name = value.at("name").get<std::string>();
  CONSILIUM_TRY(check_name(entry.name));
  entry.serial = value.at("serial").get<std::string>();
  if (entry.serial.size() != 32 || entry.serial.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return fail(ErrorCode::kInvalidArgument, "serial: expected 32 hexadecimal digits");
  }
  CONSILIUM_ASSIGN(entry.not_after, from_iso(value.at("not_after").get<std::string>()));
  entry.fingerprint = value.at("fingerprint").get<std::string>();
  CONSILIUM_TRY(crypto::digest_from_hex(entry.fingerprint));
  if (value.contains("revoked_at")) {
    CONSILIUM_ASSIGN(entry.revoked_at, from_iso(value.at("revoked_at").get<std::string>()));
  }
  return entry;
}

Result<Index> index_from(const std::string& text) {
  try {
    const json value = json::parse(text);
    if (value.at("version").get<int>() != kVersion) {
      return fail(ErrorCode::kInvalidArgument, "version: expected " + std::to_string(kVersion));
    }
    Index index;
    index.consortium = value.at("consortium").get<std::string>();
    CONSILIUM_TRY(check_name(index.consortium));
    index.list_number = value.at("list_number").get<std::uint64_t>();
    index.list_validity = std::chrono::days{value.value("list_days", std::int64_t{kListValidity.count()})};
    if (index.list_validity.count() < 0 || index.list_validity > kLongestList) {
      return fail(ErrorCode::kInvalidArgument, "list_days: expected 0 to " + std::to_string(kLongestList.count()) +
                                                   ", found " + std::to_string(index.list_validity.count()));
    }
    if (value.contains("list_end")) {
      CONSILIUM_ASSIGN(index.list_end, from_iso(value.at("list_end").get<std::string>()));
    }
    for (const json& entry : value.at("certificates")) {
      CONSILIUM_ASSIGN(IndexEntry read, entry_from(entry));
      index.certificates.push_back(std::move(read));
    }
    return index;
  } catch (const json::exception& problem) {
    return fail(ErrorCode::kInvalidArgument, problem.what());
  }
}

}  // namespace

Result<Index> read_index(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const std::string text, files::read_file(file, kMaxIndexBytes));
  auto index = index_from(text);
  if (!index) {
    return fail(index.error().within(file.string()));
  }
  return index;
}

Result<void> write_index(const std::filesystem::path& file, const Index& index) {
  json value = {{"version", kVersion},
                {"consortium", index.consortium},
                {"list_number", index.list_number},
                {"list_days", index.list_validity.count()},
                {"certificates", json::array()}};
  if (index.list_end != 0) {
    value["list_end"] = to_iso(index.list_end);
  }
  for (const IndexEntry& entry : index.certificates) {
    value["certificates"].push_back(to_json(entry));
  }
  return files::replace_file(file, value.dump(2) + "\n");
}

std::string to_iso(std::time_t seconds) {
  std::tm parts{};
  std::array<char, 32> text{};
  gmtime_r(&seconds, &parts);
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), length};
}

Result<std::time_t> from_iso(std::string_view text) {
  const std::string copy(text);
  std::tm parts{};
  const char* end = strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  if (end == nullptr || *end != '\0' || copy.size() != 20) {
    return fail(ErrorCode::kInvalidArgument,
                "'" + copy.substr(0, 32) + "' is not a time; expected 2026-03-01T12:00:00Z");
  }
  return timegm(&parts);
}

}  // namespace consilium::pki
