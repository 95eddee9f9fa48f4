#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/round_order.h"

namespace grpc {
class Channel;
}

/// The client side of bulk transfers, used by sites' links and the researcher's command. Each call blocks, is cancelled
/// at once by its stop token, and makes a single attempt. The caller decides whether to try again after kUnavailable.
namespace consilium::wire {

/// Fetches a blob into `file`, resuming after the bytes that the file already has. Doesn't fetch a complete file again.
/// Fails with kDataLoss if the bytes don't have the digest (the file is then removed) or are fewer than `size`. Fails
/// with kResourceExhausted if there are more than `size` bytes.
/// @param size  of the blob; without it, up to kMaxBlobBytes are accepted
Result<void> fetch_blob(const std::shared_ptr<grpc::Channel>& channel, const crypto::Digest& digest,
                        std::optional<std::uint64_t> size, const std::filesystem::path& file,
                        const std::stop_token& stop);

/// Uploads a session's vector, resuming after the part that the coordinator already has. Succeeds if the session
/// already has this vector, because the answer to an earlier attempt may have been lost.
/// @param digest  digest of the words, if it is known; otherwise they are hashed during the upload
Result<void> upload_vector(const std::shared_ptr<grpc::Channel>& channel, const job::SessionKey& key,
                           std::span<const std::uint32_t> words, const std::optional<crypto::Digest>& digest,
                           const std::stop_token& stop);

/// Uploads a file's bytes as a blob, and returns its digest.
Result<crypto::Digest> put_blob(const std::shared_ptr<grpc::Channel>& channel, const std::filesystem::path& file,
                                const std::stop_token& stop);

/// Exponential back-off between attempts. The wait doubles from `first` to `last`. Each is drawn at random between half
/// of it and all of it (jitter).
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds last);
  [[nodiscard]] std::chrono::milliseconds next();
  void reset();

 private:
  std::chrono::milliseconds first_, last_, current_;
  std::uint64_t random_;
};

/// Sleeps, but wakes at a request to stop; returns false if there was one.
bool sleep_for(std::chrono::milliseconds time, const std::stop_token& stop);

/// Repeats an attempt as long as it fails with kUnavailable, or with kCancelled without a request to stop, waiting 0.2
/// to 5 s (back-off) in between. Gives up after `attempts` attempts, or with kCancelled when asked to stop.
Result<void> with_retries(int attempts, const std::stop_token& stop, const std::function<Result<void>()>& attempt);

}  // namespace consilium::wire
