#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/error/error.h"
#include "common/report/job_status.h"
#include "common/report/site_status.h"

namespace consilium::v1 {
class JobUpdate;
class Site;
}  // namespace consilium::v1

/// What researchers see, to protobuf and back, under the same rules as conversions.h.
namespace consilium::wire {

[[nodiscard]] v1::Site to_proto(const report::SiteStatus& site);
Result<report::SiteStatus> from_proto(const v1::Site& site);

/// Writes the updates of one watcher, message by message: each update has the records of the history and the sites that
/// are new or changed since the one before.
class UpdateWriter {
 public:
  /// Begins the next update. The former has been written to its end.
  void begin(std::shared_ptr<const report::JobStatus> status);
  /// Writes the update's next message; returns false where it had its last.
  bool next(v1::JobUpdate& message);

 private:
  bool begin_part();

  std::shared_ptr<const report::JobStatus> former_, status_;
  std::size_t place_ = 0;    ///< of the record to look at next
  bool complete_ = true;     ///< the status has been begun, with which the update ends
  std::string part_;         ///< a record or the status, serialised
  std::size_t written_ = 0;  ///< bytes of it
  bool is_record_ = false;   ///< at place_ - 1
};

/// Puts a watcher's updates together again.
class UpdateReader {
 public:
  /// Takes a message; returns the status where it completes an update.
  Result<std::optional<report::JobStatus>> next(const v1::JobUpdate& message);

 private:
  Result<void> take_record(std::size_t place);
  Result<report::JobStatus> take_status();

  std::string part_;
  std::optional<std::size_t>
      place_;  ///< of the record whose pieces come; nothing: pieces of the status, or no part is begun
  std::uint64_t history_bytes_ = 0;
  report::History history_;
  std::map<std::string, std::string> sites_;
};

/// For tests and fuzzers: one record, and a status without its history, from and to their bytes.
Result<report::RoundRecord> decode_round_record(std::span<const std::byte> bytes);
[[nodiscard]] std::string encode(const report::RoundRecord& record);
Result<report::JobStatus> decode_job_status(std::span<const std::byte> bytes);
[[nodiscard]] std::string encode(const report::JobStatus& status);

}  // namespace consilium::wire
