#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "client/trainer/data/prepare.h"
#include "client/trainer/data/scratch_file.h"
#include "common/crypto/sha256.h"

namespace consilium::data {

/// Holds as many prepared items as fit, first in memory, then in a scratch file. It never evicts: each epoch needs
/// every item once, so evicting the least recently used one would evict the one that is needed next. An image of bytes
/// takes one byte for each value. Thread-safe.
class ItemCache {
 public:
  /// @param limit    bytes in memory
  /// @param scratch  holds items beyond the limit; null: they aren't kept
  explicit ItemCache(std::uint64_t limit, std::shared_ptr<ScratchFile> scratch = nullptr)
      : limit_(limit), scratch_(std::move(scratch)) {}
  ~ItemCache();
  ItemCache(const ItemCache&) = delete;
  ItemCache& operator=(const ItemCache&) = delete;

  /// Returns a copy of the item. Returns nothing if the item isn't cached, or if the scratch file doesn't return what
  /// was written.
  [[nodiscard]] std::optional<PreparedItem> find(std::uint64_t key) const;
  /// Stores a copy if there is room.
  void keep(std::uint64_t key, const PreparedItem& item);
  /// Returns the number of bytes held in memory.
  [[nodiscard]] std::uint64_t bytes() const;
  /// Returns the number of bytes held in the scratch file.
  [[nodiscard]] std::uint64_t bytes_on_disk() const;

 private:
  struct Entry {
    PreparedItem item;            ///< without its values and its mask's classes
    std::vector<std::byte> data;  ///< empty if they are in the scratch file
    std::optional<ScratchFile::Room> room;
    crypto::Digest digest{};  ///< of what was written to the scratch file
    std::size_t values = 0;
    std::size_t classes = 0;
  };

  std::uint64_t limit_;
  std::shared_ptr<ScratchFile> scratch_;
  mutable std::mutex mutex_;
  std::uint64_t held_ = 0;
  std::uint64_t on_disk_ = 0;
  std::unordered_map<std::uint64_t, std::shared_ptr<const Entry>> entries_;
};

}  // namespace consilium::data
