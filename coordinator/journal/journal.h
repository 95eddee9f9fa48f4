#pragma once

#include <cstdint>
#include <string>

#include "common/error/error.h"

namespace consilium::journal {

/// A decision of the coordinator, recorded before any site or researcher learns of it.
struct Entry {
  std::uint64_t effect_id = 0;  ///< strictly increasing within a job; carrying out an effect twice changes nothing
  std::string job_id;
  std::string kind;    ///< "offer", "close", "commit", "end", ...
  std::string detail;  ///< JSON
};

/// Records decisions (in memory for now; in SQLite once crash recovery is implemented).
class Journal {
 public:
  virtual ~Journal() = default;
  /// Records an entry durably, or fails; in that case the caller must not carry out the decision.
  virtual Result<void> append(const Entry& entry) = 0;
};

}  // namespace consilium::journal
