#include "client/trainer/data/item_cache.h"

#include <utility>

namespace consilium::data {

std::optional<PreparedItem> ItemCache::find(std::uint64_t key) const {
  std::shared_ptr<const Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return std::nullopt;
    entry = found->second;
  }
  PreparedItem item = entry->item;
  if (item.image.bytes) item.image.values.assign(entry->bytes.begin(), entry->bytes.end());
  return item;
}

void ItemCache::keep(std::uint64_t key, const PreparedItem& item) {
  const auto* mask = std::get_if<Mask>(&item.target);
  const std::uint64_t bytes = sizeof(Entry) + item.image.values.size() * (item.image.bytes ? 1 : sizeof(float)) +
                              (mask == nullptr ? 0 : mask->classes.size());
  {
    const std::lock_guard lock(mutex_);
    if (bytes > limit_ - held_ || entries_.contains(key)) return;
    held_ += bytes;  // reserved before the copy, so that threads together stay within the limit
  }
  auto entry = std::make_shared<Entry>();
  entry->item.target = item.target;
  entry->item.mean = item.mean;
  entry->item.deviation = item.deviation;
  Volume& image = entry->item.image;
  image.channels = item.image.channels;
  image.sides = item.image.sides;
  image.spacing = item.image.spacing;
  image.flat = item.image.flat;
  image.bytes = item.image.bytes;
  if (image.bytes) {
    entry->bytes.reserve(item.image.values.size());
    for (const float value : item.image.values) entry->bytes.push_back(static_cast<std::uint8_t>(value));
  } else {
    image.values = item.image.values;
  }
  const std::lock_guard lock(mutex_);
  if (!entries_.emplace(key, std::move(entry)).second) held_ -= bytes;
}

std::uint64_t ItemCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

}  // namespace consilium::data
