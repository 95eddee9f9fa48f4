#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "client/trainer/data/prepare.h"

namespace consilium::data {

/// Prepared items in memory, as many as fit. What came first stays: each epoch needs every item once, so that throwing
/// out the least recent would throw out the next one needed. Images of bytes take one byte a value. Thread-safe.
class ItemCache {
 public:
  explicit ItemCache(std::uint64_t limit) : limit_(limit) {}

  [[nodiscard]] std::optional<PreparedItem> find(std::uint64_t key) const;
  /// Keeps a copy if there is room.
  void keep(std::uint64_t key, const PreparedItem& item);
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  struct Entry {
    PreparedItem item;  ///< its image without values where `bytes` holds them
    std::vector<std::uint8_t> bytes;
  };

  std::uint64_t limit_;
  mutable std::mutex mutex_;
  std::uint64_t held_ = 0;
  std::unordered_map<std::uint64_t, std::shared_ptr<const Entry>> entries_;
};

}  // namespace consilium::data
