#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/report/job_status.h"
#include "common/report/site_status.h"

namespace consilium::v1 {
class JobStatus;
class JobUpdate;
class Site;
}  // namespace consilium::v1

/// What researchers see, to protobuf and back, under the same rules as conversions.h.
namespace consilium::wire {

[[nodiscard]] v1::JobStatus to_proto(const report::JobStatus& status);
[[nodiscard]] v1::Site to_proto(const report::SiteStatus& site);

Result<report::JobStatus> from_proto(const v1::JobStatus& status);
Result<report::SiteStatus> from_proto(const v1::Site& site);

/// Writes the updates of one watcher: each has the records of the history that are new or changed since the one before.
class UpdateWriter {
 public:
  [[nodiscard]] v1::JobUpdate next(const report::JobStatus& status);

 private:
  std::vector<std::size_t> sent_;  ///< hash of each record as it was sent
};

/// Puts a watcher's updates together again.
class UpdateReader {
 public:
  Result<report::JobStatus> next(const v1::JobUpdate& update);

 private:
  std::vector<report::RoundRecord> history_;
};

/// For tests and fuzzers: a status from its bytes.
Result<report::JobStatus> decode_job_status(std::span<const std::byte> bytes);
[[nodiscard]] std::string encode(const report::JobStatus& status);

}  // namespace consilium::wire
