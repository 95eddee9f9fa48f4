#include "coordinator/admission/quotas.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace consilium::admission {

Result<void> check_job_quota(const Quotas& quotas, const std::string& researcher, std::uint64_t unended) {
  if (unended < quotas.jobs) return {};
  return fail(ErrorCode::kResourceExhausted,
              fmt::format("{} has {} jobs queued and running; this coordinator takes at most {} from one researcher "
                          "(quotas.jobs). Wait until one ends, or end one with: consilium stop JOB_ID",
                          researcher, unended, quotas.jobs));
}

Result<void> UploadedWeights::make_room(const std::string& researcher, std::uint64_t bytes, std::uint64_t in_jobs) {
  if (bytes > quota_ || in_jobs > quota_ - bytes) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("initial weights of {} bytes: the jobs of {} already use {} bytes, and this coordinator "
                            "keeps at most {} bytes for one researcher (quotas.weights). Wait until such a job ends, "
                            "end one with 'consilium stop JOB_ID', or ask the coordinator's operator for more",
                            bytes, researcher, in_jobs, quota_));
  }
  while (unused_bytes(researcher) > quota_ - bytes - in_jobs) {
    auto oldest = entries_.end();
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->first.first != researcher) continue;
      if (oldest == entries_.end() || entry->second.since < oldest->second.since) oldest = entry;
    }
    blobs_.release(oldest->first.second);
    entries_.erase(oldest);
  }
  return {};
}

Result<void> UploadedWeights::add(const std::string& researcher, const crypto::Digest& digest, std::uint64_t bytes,
                                  Clock::time_point now) {
  const auto [entry, is_new] = entries_.insert_or_assign(Key{researcher, digest}, Entry{bytes, now});
  if (is_new) blobs_.retain(digest);
  if (blobs_.size(digest)) return {};
  used(researcher, digest);
  return fail(ErrorCode::kUnavailable, "the weights were removed during the upload; send them again");
}

void UploadedWeights::used(const std::string& researcher, const crypto::Digest& digest) {
  if (entries_.erase({researcher, digest}) > 0) blobs_.release(digest);
}

void UploadedWeights::expire(Clock::time_point now) {
  std::erase_if(entries_, [&](const auto& entry) {
    if (now < entry.second.since + kUnusedFor) return false;
    blobs_.release(entry.first.second);
    return true;
  });
}

std::optional<UploadedWeights::Clock::time_point> UploadedWeights::next_expiry() const {
  std::optional<Clock::time_point> next;
  for (const auto& [key, entry] : entries_) {
    if (!next || entry.since + kUnusedFor < *next) next = entry.since + kUnusedFor;
  }
  return next;
}

std::uint64_t UploadedWeights::unused_bytes(const std::string& researcher) const {
  std::uint64_t bytes = 0;
  for (const auto& [key, entry] : entries_) {
    if (key.first == researcher) bytes += entry.bytes;
  }
  return bytes;
}

}  // namespace consilium::admission
