#include "client/masking/job_keys.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <vector>

#include "common/crypto/aead.h"
#include "common/crypto/random_source.h"
#include "common/files/files.h"
#include "common/secagg/sum_keys.h"

namespace consilium::masking {

namespace {

/// Size of a sealed key: a nonce, the ciphertext, and its tag.
constexpr std::size_t kSealedBytes =
    std::tuple_size_v<crypto::AeadNonce> + secagg::kSumKeyBytes + crypto::kAeadTagBytes;

std::span<const std::uint8_t> octets(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

Result<JobKeys> JobKeys::open(const std::filesystem::path& folder, const SiteSecret& secret) {
  CONSILIUM_TRY(files::make_private_folder(folder));
  return JobKeys(folder, secret);
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
  CONSILIUM_ASSIGN(const std::string text, files::read_private_file(file, kSealedBytes + 1));
  if (text.size() != kSealedBytes)
    return fail(ErrorCode::kDataLoss, fmt::format("{}: expected {} bytes, found {}; this site can't continue the job",
                                                  file.string(), kSealedBytes, text.size()));
  CONSILIUM_ASSIGN(const crypto::SecretBytes sealing, secret_->job_key_sealing(job));
  crypto::AeadNonce nonce{};
  const auto bytes = octets(text);
  std::ranges::copy(bytes.first(nonce.size()), nonce.begin());
  auto key = crypto::open(sealing, nonce, job, bytes.subspan(nonce.size()));
  if (!key)
    return fail(
        ErrorCode::kDataLoss,
        fmt::format("{}: it was sealed with another site.secret, or was changed; this site can't continue the job",
                    file.string()));
  CONSILIUM_ASSIGN(crypto::SecretBytes kept, key->clone());
  keys_.insert_or_assign(job, std::move(kept));
  return key;
}

Result<void> JobKeys::keep(const crypto::Digest& job, const crypto::SecretBytes& key) {
  const std::lock_guard lock(mutex_);
  CONSILIUM_ASSIGN(const crypto::SecretBytes sealing, secret_->job_key_sealing(job));
  // A job may get another key under the same sealing key, so each file has its own nonce.
  crypto::AeadNonce nonce{};
  crypto::SystemRandom random;
  CONSILIUM_TRY(random.fill(nonce));
  CONSILIUM_ASSIGN(const std::vector<std::uint8_t> sealed, crypto::seal(sealing, nonce, job, key.bytes()));
  std::string text(nonce.begin(), nonce.end());
  text.append(sealed.begin(), sealed.end());
  auto made = files::create_private_file(file_of(job), text);
  if (!made && made.error().code == ErrorCode::kAlreadyExists) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("{}: this site already holds another key of the job", file_of(job).string()));
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

Result<std::vector<crypto::Digest>> JobKeys::jobs_in(const std::filesystem::path& folder) {
  std::vector<crypto::Digest> jobs;
  std::error_code problem;
  if (!std::filesystem::exists(folder, problem)) return jobs;
  for (std::filesystem::directory_iterator entry(folder, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    if (entry->path().extension() != ".key") continue;
    if (const auto job = crypto::digest_from_hex(entry->path().stem().string())) jobs.push_back(*job);
  }
  if (problem) return fail(ErrorCode::kInternal, fmt::format("{}: {}", folder.string(), problem.message()));
  return jobs;
}

}  // namespace consilium::masking
