#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "coordinator/journal/journal.h"

namespace consilium::journal {

/// A journal that doesn't survive a restart. It checks what a durable journal would rely on, and keeps the latest
/// entries. Thread-safe.
class MemoryJournal final : public Journal {
 public:
  /// @param capacity  entries kept, over all jobs; older ones are forgotten
  explicit MemoryJournal(std::size_t capacity = 10000) : capacity_(capacity) {}

  /// Fails with kInvalidArgument if the effect's id doesn't exceed the job's last one.
  Result<void> append(const Entry& entry) override;
  /// Returns a copy of the kept entries, oldest first.
  [[nodiscard]] std::vector<Entry> entries() const;

 private:
  std::size_t capacity_;
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;
  std::map<std::string, std::uint64_t> last_id_;  ///< job -> effect id
};

}  // namespace consilium::journal
