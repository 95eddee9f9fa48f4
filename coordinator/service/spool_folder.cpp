#include "coordinator/service/spool_folder.h"

#include <spdlog/fmt/fmt.h>

#include <system_error>
#include <vector>

#include "common/crypto/sha256.h"

namespace consilium::service {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kJobDigits = 16;

/// Returns the prefix of a job's file names. It is a digest, because here the job's id comes from a site.
std::string prefix_of(const std::string& job_id) {
  return crypto::to_hex(crypto::sha256(job_id)).substr(0, kJobDigits) + "-";
}

}  // namespace

fs::path spool_path(const fs::path& spool, const std::string& site, const job::SessionKey& key) {
  const std::string session = fmt::format("{}/{}/{}", static_cast<int>(key.kind), key.round, key.attempt);
  return spool / site / (prefix_of(key.job_id) + crypto::to_hex(crypto::sha256(session)) + ".part");
}

fs::path weights_spool_path(const fs::path& spool, const std::string& researcher) {
  return spool / ("researcher." + researcher) / "blob.part";
}

void remove_spools_of(const fs::path& spool, const std::string& job_id) {
  const std::string prefix = prefix_of(job_id);
  std::vector<fs::path> files;
  std::error_code ignored;
  for (fs::recursive_directory_iterator entry(spool, ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(".part")) files.push_back(entry->path());
  }
  for (const fs::path& file : files) fs::remove(file, ignored);
}

Result<void> clear_spool(const fs::path& spool) {
  std::error_code failed;
  fs::remove_all(spool, failed);
  if (!failed) fs::create_directories(spool, failed);
  if (!failed) fs::permissions(spool, fs::perms::owner_all, failed);
  if (failed) return fail(ErrorCode::kInternal, fmt::format("{}: {}", spool.string(), failed.message()));
  return {};
}

}  // namespace consilium::service
