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

/// Prepared items, as many as fit: in memory, then in a scratch file. What came first stays: each epoch needs every
/// item once, so that throwing out the least recent would throw out the next one needed. Images of bytes take one byte
/// a value. Thread-safe.
class ItemCache {
 public:
  /// @param limit    bytes in memory
  /// @param scratch  for what is beyond; null: nothing is
  explicit ItemCache(std::uint64_t limit, std::shared_ptr<ScratchFile> scratch = nullptr)
      : limit_(limit), scratch_(std::move(scratch)) {}
  ~ItemCache();
  ItemCache(const ItemCache&) = delete;
  ItemCache& operator=(const ItemCache&) = delete;

  /// Returns a copy; nothing where it isn't there, or where the scratch file doesn't give back what was written.
  [[nodiscard]] std::optional<PreparedItem> find(std::uint64_t key) const;
  /// Keeps a copy if there is room.
  void keep(std::uint64_t key, const PreparedItem& item);
  /// Bytes held in memory.
  [[nodiscard]] std::uint64_t bytes() const;
  /// Bytes held in the scratch file.
  [[nodiscard]] std::uint64_t bytes_on_disk() const;

 private:
  struct Entry {
    PreparedItem item;            ///< without its values and its mask's classes
    std::vector<std::byte> data;  ///< these, where they aren't in the scratch file
    std::optional<ScratchFile::Room> room;
    crypto::Digest digest{};  ///< of what was written to the room
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
