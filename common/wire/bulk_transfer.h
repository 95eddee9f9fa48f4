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

/// The opening side of bulk transfers: sites' links and the researcher's command share it. Each call blocks, is
/// cancelled by its stop token at once, and makes one attempt: who calls decides whether to try again after
/// kUnavailable.
namespace consilium::wire {

/// Fetches a blob into `file`, going on where a shorter file ends; a file that is whole already is not fetched again.
/// @param size  of the blob; without it, whatever comes until the end. kDataLoss where the bytes aren't the digest's
/// (the file
///              is removed), kResourceExhausted where there are more than `size`
Result<void> fetch_blob(const std::shared_ptr<grpc::Channel>& channel, const crypto::Digest& digest,
                        std::optional<std::uint64_t> size, const std::filesystem::path& file,
                        const std::stop_token& stop);

/// Uploads a session's vector, going on where the coordinator's part of it ends. A session that has this vector already
/// is no error: the answer to an earlier attempt was lost.
/// @param digest  of the words, where it is known; else they are hashed on the way
Result<void> upload_vector(const std::shared_ptr<grpc::Channel>& channel, const job::SessionKey& key,
                           std::span<const std::uint32_t> words, const std::optional<crypto::Digest>& digest,
                           const std::stop_token& stop);

/// Puts a file's bytes as a blob; returns its digest.
Result<crypto::Digest> put_blob(const std::shared_ptr<grpc::Channel>& channel, const std::filesystem::path& file,
                                const std::stop_token& stop);

/// Back-off between attempts: doubles from `first` to `last`, each wait drawn between half of it and the whole
/// (jitter).
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds last);
  [[nodiscard]] std::chrono::milliseconds next();
  void reset();

 private:
  std::chrono::milliseconds first_, last_, current_;
  std::uint64_t random_;
};

/// Sleeps, but not beyond a request to stop; false where that came.
bool sleep_for(std::chrono::milliseconds time, const std::stop_token& stop);

/// Runs an attempt until it ends with anything but kUnavailable, with back-off from 0.2 to 5 s between; gives up after
/// `attempts` in a row, or when asked to stop (kCancelled).
Result<void> with_retries(int attempts, const std::stop_token& stop, const std::function<Result<void>()>& attempt);

}  // namespace consilium::wire
