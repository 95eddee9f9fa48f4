#pragma once

#include <cstdint>
#include <string>

#include "common/error/error.h"

namespace consilium::journal {

/// One thing that the coordinator decided, recorded before anybody is told.
struct Entry {
  std::uint64_t effect_id = 0;  ///< strictly increasing within a job; carrying an effect out twice changes nothing
  std::string job_id;
  std::string kind;    ///< "offer", "close", "commit", "end", ...
  std::string detail;  ///< JSON
};

/// Where decisions are recorded (in memory for now; SQLite when crash recovery comes).
class Journal {
 public:
  virtual ~Journal() = default;
  /// Records durably, or fails; the caller then carries nothing out.
  virtual Result<void> append(const Entry& entry) = 0;
};

}  // namespace consilium::journal
