#include "coordinator/journal/memory_journal.h"

#include <spdlog/fmt/fmt.h>

namespace consilium::journal {

Result<void> MemoryJournal::append(const Entry& entry) {
  const std::lock_guard lock(mutex_);
  std::uint64_t& last = last_id_[entry.job_id];
  if (entry.effect_id <= last) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("journal: job {}: effect {} after effect {}", entry.job_id, entry.effect_id, last));
  }
  last = entry.effect_id;
  entries_.push_back(entry);
  if (entries_.size() > capacity_) entries_.pop_front();
  return {};
}

std::vector<Entry> MemoryJournal::entries() const {
  const std::lock_guard lock(mutex_);
  return {entries_.begin(), entries_.end()};
}

}  // namespace consilium::journal
