#include "common/pki/list_memory.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>

#include "common/files/files.h"

namespace consilium::pki {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxBytes = 4096;
constexpr int kListVersion = 1;
constexpr std::string_view kPrefix = "revocation-list-";

/// Reads the number that a file remembers, or 0 if there is no file.
Result<std::uint64_t> read_number(const std::filesystem::path& file) {
  const auto text = files::read_file(file, kMaxBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) {
    return 0;
  }
  if (!text) {
    return fail(text.error());
  }
  const json value = json::parse(*text, nullptr, false);
  if (!value.is_object() || value.value("version", json()) != kListVersion ||
      !value.value("number", json()).is_number_unsigned()) {
    return fail(ErrorCode::kDataLoss,
                file.string() +
                    ": expected {\"version\": 1, \"number\": N}, the newest revocation list that was seen; "
                    "found something else. Install the authority's newest crl.pem, then remove this file");
  }
  return value["number"].get<std::uint64_t>();
}

/// Raises `highest` to `number`, or refuses a lower number.
Result<void> raise(std::uint64_t& highest, std::uint64_t number) {
  if (number < highest) {
    return fail(ErrorCode::kFailedPrecondition, "this is revocation list " + std::to_string(number) +
                                                    ", older than list " + std::to_string(highest) +
                                                    ", which was seen here before; install the authority's newest "
                                                    "crl.pem");
  }
  highest = number;
  return {};
}

}  // namespace

Result<void> ListMemory::admit(const std::string& authority, std::uint64_t number) {
  std::uint64_t& highest = seen_[authority];
  if (folder_.empty()) {
    return raise(highest, number);
  }
  const std::filesystem::path file = folder_ / (std::string(kPrefix) + authority + ".json");
  CONSILIUM_TRY(files::make_private_folder(folder_));
  CONSILIUM_ASSIGN(const files::FolderLock lock, files::FolderLock::take(folder_));
  CONSILIUM_ASSIGN(const std::uint64_t remembered, read_number(file));
  highest = std::max(highest, remembered);
  CONSILIUM_TRY(raise(highest, number));
  if (number == remembered) {
    return {};
  }
  if (auto written = files::replace_file(file, json{{"version", kListVersion}, {"number", number}}.dump() + "\n");
      !written) {
    return fail(written.error().code, written.error().message +
                                          "; this file remembers the newest revocation list that was seen, and has to "
                                          "be writable");
  }
  return {};
}

void copy_list_memory(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code ignored;
  for (std::filesystem::directory_iterator entry(from, ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    std::error_code missing;
    if (entry->path().filename().string().starts_with(kPrefix))
      std::filesystem::copy_file(entry->path(), to / entry->path().filename(), missing);
  }
}

}  // namespace consilium::pki
