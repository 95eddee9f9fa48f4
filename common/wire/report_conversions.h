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

/// Conversions between protobuf and the values that researchers see, under the same rules as conversions.h.
namespace consilium::wire {

[[nodiscard]] v1::Site to_proto(const report::SiteStatus& site);
Result<report::SiteStatus> from_proto(const v1::Site& site);

/// Writes the updates for one watcher, message by message. Each update contains the records of the history and the
/// sites that are new or changed since the previous update.
class UpdateWriter {
 public:
  /// Begins the next update. The previous one must have been written to its end.
  void begin(std::shared_ptr<const report::JobStatus> status);
  /// Writes the update's next message. Returns false if there are no more.
  bool next(v1::JobUpdate& message);

 private:
  bool begin_part();

  std::shared_ptr<const report::JobStatus> former_, status_;
  std::size_t place_ = 0;    ///< index of the record to look at next
  bool complete_ = true;     ///< the update's last part, the status, has begun
  std::string part_;         ///< the current part, serialised: a record or the status
  std::size_t written_ = 0;  ///< bytes of the part already written
  bool is_record_ = false;   ///< the part is the record at place_ - 1
};

/// Reassembles a watcher's updates.
class UpdateReader {
 public:
  /// Processes a message. Returns the status if the message completes an update.
  Result<std::optional<report::JobStatus>> next(const v1::JobUpdate& message);

 private:
  Result<void> take_record(std::size_t place);
  Result<report::JobStatus> take_status();

  std::string part_;
  std::optional<std::size_t>
      place_;  ///< index of the record whose pieces are arriving; nullopt: pieces of the status, or between parts
  std::uint64_t history_bytes_ = 0;
  report::History history_;
  std::map<std::string, std::string> sites_;
};

/// Serialise and parse one record, and a status without its history. For tests and fuzzers.
Result<report::RoundRecord> decode_round_record(std::span<const std::byte> bytes);
[[nodiscard]] std::string encode(const report::RoundRecord& record);
Result<report::JobStatus> decode_job_status(std::span<const std::byte> bytes);
[[nodiscard]] std::string encode(const report::JobStatus& status);

}  // namespace consilium::wire
