#include "client/masking/job_keys.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "common/pki/files.h"
#include "common/secagg/sum_keys.h"

namespace consilium::masking {

Result<JobKeys> JobKeys::open(const std::filesystem::path& folder) {
  CONSILIUM_TRY(pki::make_private_folder(folder));
  return JobKeys(folder);
}

std::filesystem::path JobKeys::file_of(const crypto::Digest& job) const {
  return folder_ / (crypto::to_hex(job) + ".key");
}

Result<crypto::SecretBytes> JobKeys::key(const crypto::Digest& job) const {
  const std::lock_guard lock(mutex_);
  if (const auto known = keys_.find(job); known != keys_.end()) return known->second.clone();
  std::error_code problem;
  const std::filesystem::path file = file_of(job);
  if (!std::filesystem::exists(file, problem)) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("the sites of job {} haven't agreed on a key yet", crypto::to_hex(job).substr(0, 8)));
  }
  CONSILIUM_ASSIGN(std::string text, pki::read_private_file(file, secagg::kSumKeyBytes + 1));
  auto key = crypto::SecretBytes::copy_of({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  const std::size_t size = text.size();
  explicit_bzero(text.data(), text.size());
  if (!key) return fail(key.error());
  if (size != secagg::kSumKeyBytes)
    return fail(ErrorCode::kDataLoss, fmt::format("{}: expected {} bytes, found {}; this site can't go on with the job",
                                                  file.string(), secagg::kSumKeyBytes, size));
  CONSILIUM_ASSIGN(crypto::SecretBytes kept, key->clone());
  keys_.insert_or_assign(job, std::move(kept));
  return key;
}

Result<void> JobKeys::keep(const crypto::Digest& job, const crypto::SecretBytes& key) {
  const std::lock_guard lock(mutex_);
  const std::string_view text(reinterpret_cast<const char*>(key.bytes().data()), key.size());
  auto made = pki::create_private_file(file_of(job), text);
  if (!made && made.error().code == ErrorCode::kAlreadyExists) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("{}: this site holds another key of the job", file_of(job).string()));
  }
  CONSILIUM_TRY(made);
  CONSILIUM_ASSIGN(crypto::SecretBytes kept, key.clone());
  keys_.insert_or_assign(job, std::move(kept));
  return {};
}

Result<void> JobKeys::forget(const crypto::Digest& job) {
  const std::lock_guard lock(mutex_);
  keys_.erase(job);
  const std::filesystem::path file = file_of(job);
  if (::unlink(file.c_str()) != 0 && errno != ENOENT)
    return fail(ErrorCode::kInternal, fmt::format("{}: cannot remove: {}", file.string(), std::strerror(errno)));
  return {};
}

}  // namespace consilium::masking
