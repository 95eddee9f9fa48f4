#include "client/trainer/data/item_cache.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace consilium::data {
namespace {

const std::vector<std::uint8_t>* classes_of(const PreparedItem& item) {
  const auto* mask = std::get_if<Mask>(&item.target);
  return mask == nullptr ? nullptr : &mask->classes;
}

/// Returns the values of an image (bytes as bytes), followed by the classes of its mask.
std::vector<std::byte> packed(const PreparedItem& item) {
  const std::vector<float>& values = item.image.values;
  const std::vector<std::uint8_t>* classes = classes_of(item);
  std::vector<std::byte> data(values.size() * (item.image.bytes ? 1 : sizeof(float)) +
                              (classes == nullptr ? 0 : classes->size()));
  if (item.image.bytes) {
    std::transform(values.begin(), values.end(), data.begin(),
                   [](float value) { return static_cast<std::byte>(static_cast<std::uint8_t>(value)); });
  } else if (!values.empty()) {
    std::memcpy(data.data(), values.data(), values.size() * sizeof(float));
  }
  if (classes != nullptr)
    std::transform(classes->begin(), classes->end(), data.end() - static_cast<std::ptrdiff_t>(classes->size()),
                   [](std::uint8_t value) { return static_cast<std::byte>(value); });
  return data;
}

void unpack(std::span<const std::byte> data, std::size_t values, std::size_t classes, PreparedItem& item) {
  item.image.values.resize(values);
  if (item.image.bytes) {
    std::transform(data.begin(), data.begin() + static_cast<std::ptrdiff_t>(values), item.image.values.begin(),
                   [](std::byte value) { return static_cast<float>(std::to_integer<std::uint8_t>(value)); });
  } else if (values != 0) {
    std::memcpy(item.image.values.data(), data.data(), values * sizeof(float));
  }
  if (auto* mask = std::get_if<Mask>(&item.target)) {
    mask->classes.resize(classes);
    std::transform(data.end() - static_cast<std::ptrdiff_t>(classes), data.end(), mask->classes.begin(),
                   [](std::byte value) { return std::to_integer<std::uint8_t>(value); });
  }
}

/// Returns an item without its values and its mask's classes.
PreparedItem without_data(const PreparedItem& item) {
  PreparedItem rest;
  rest.mean = item.mean;
  rest.deviation = item.deviation;
  rest.placement = item.placement;
  rest.space = item.space;
  rest.image.channels = item.image.channels;
  rest.image.sides = item.image.sides;
  rest.image.spacing = item.image.spacing;
  rest.image.flat = item.image.flat;
  rest.image.bytes = item.image.bytes;
  if (const auto* mask = std::get_if<Mask>(&item.target)) {
    rest.target = Mask{mask->shape, {}};
  } else {
    rest.target = item.target;
  }
  return rest;
}

}  // namespace

ItemCache::~ItemCache() {
  if (scratch_ != nullptr && on_disk_ != 0) scratch_->release(on_disk_);
}

std::optional<PreparedItem> ItemCache::find(std::uint64_t key) const {
  std::shared_ptr<const Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return std::nullopt;
    entry = found->second;
  }
  PreparedItem item = entry->item;
  if (!entry->room) {
    unpack(entry->data, entry->values, entry->classes, item);
    return item;
  }
  std::vector<std::byte> data(entry->room->bytes);
  if (!scratch_->read(*entry->room, data) || crypto::sha256(data) != entry->digest) return std::nullopt;
  unpack(data, entry->values, entry->classes, item);
  return item;
}

void ItemCache::keep(std::uint64_t key, const PreparedItem& item) {
  const std::vector<std::uint8_t>* classes = classes_of(item);
  const std::uint64_t bytes =
      item.image.values.size() * (item.image.bytes ? 1 : sizeof(float)) + (classes == nullptr ? 0 : classes->size());
  auto entry = std::make_shared<Entry>();
  std::uint64_t in_memory = sizeof(Entry) + bytes;
  {
    const std::lock_guard lock(mutex_);
    if (entries_.contains(key)) return;
    if (in_memory > limit_ - held_) {
      if (scratch_ == nullptr) return;
      entry->room = scratch_->reserve(bytes);
      if (!entry->room) return;
      in_memory = 0;
      on_disk_ += bytes;
    }
    held_ += in_memory;  // reserved before the copy, so that threads together stay within the limit
  }
  entry->item = without_data(item);
  entry->values = item.image.values.size();
  entry->classes = classes == nullptr ? 0 : classes->size();
  std::vector<std::byte> data = packed(item);
  if (entry->room) entry->digest = crypto::sha256(data);  // before write(), which encrypts in place
  // If the write fails, the item isn't cached and is read again from its own file, like an item that found no room.
  if (entry->room && !scratch_->write(*entry->room, data)) return;
  if (!entry->room) entry->data = std::move(data);
  const std::lock_guard lock(mutex_);
  if (!entries_.emplace(key, std::move(entry)).second) held_ -= in_memory;
}

std::uint64_t ItemCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

std::uint64_t ItemCache::bytes_on_disk() const {
  const std::lock_guard lock(mutex_);
  return on_disk_;
}

}  // namespace consilium::data
