#include "client/trainer/data/loader.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "client/trainer/data/augment.h"

namespace consilium::data {

Loader::Loader(std::shared_ptr<const ItemSet> set, job::Split split, bool random)
    : set_(std::move(set)), split_(split), random_(random), threads_(set_->source().loading.threads) {}

Loader::~Loader() { stop_workers(); }

std::size_t Loader::slots_for_examples() const {
  if (!random_ && set_->are_windowed()) return threads_;  // whole images, of whatever size
  const Preparation& preparation = set_->preparation();
  const Sides& sides = preparation.sides();
  const auto bytes = static_cast<std::size_t>(preparation.channels() * sides[0] * sides[1] * sides[2]) * sizeof(float);
  return std::max(threads_, std::min(threads_ * kAhead, kAheadBytes / std::max<std::size_t>(bytes, 1)));
}

void Loader::stop_workers() {
  for (std::jthread& worker : workers_) worker.request_stop();
  changed_.notify_all();
  workers_.clear();
}

void Loader::begin(const Draw& draw, std::span<const std::int64_t> order) {
  stop_workers();
  draw_ = draw;
  order_.assign(order.begin(), order.end());
  slots_ = std::vector<Slot>(slots_for_examples());
  taken_ = begun_ = 0;
  for (std::size_t i = 0; i < threads_; ++i) workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
}

void Loader::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool room =
        changed_.wait(lock, stop, [&] { return begun_ == order_.size() || begun_ - taken_ < slots_.size(); });
    if (!room || stop.stop_requested() || begun_ == order_.size()) return;
    const std::size_t place = begun_++;
    lock.unlock();
    auto item = load(order_[place], draw_);
    lock.lock();
    Slot& slot = slots_[place % slots_.size()];
    slot.item.emplace(std::move(item));
    slot.ready = true;
    changed_.notify_all();
  }
}

Result<PreparedItem> Loader::take(std::int64_t row) {
  std::unique_lock lock(mutex_);
  if (taken_ == order_.size() || order_[taken_] != row) {
    lock.unlock();
    return load(row, draw_);
  }
  Slot& slot = slots_[taken_ % slots_.size()];
  changed_.wait(lock, [&] { return slot.ready; });
  Result<PreparedItem> item = std::move(*slot.item);
  slot = Slot{};
  ++taken_;
  changed_.notify_all();
  return item;
}

Result<PreparedItem> Loader::load(std::int64_t row, const Draw& draw) const {
  const ExampleKey key = keys()[static_cast<std::size_t>(row)];
  const Preparation& preparation = set_->preparation();
  CONSILIUM_ASSIGN(PreparedItem item, set_->prepared(key));
  // The stream's name ends with the example, so one example's augmentation doesn't depend on another's.
  const std::string name = random_ ? fmt::format("{}/{}/{}", draw.site, draw.epoch, row) : fmt::format("{}", row);
  RandomStream stream(random_ ? draw.seed : 0, RandomPurpose::kAugmentation, random_ ? draw.round : 0, name);
  if (!random_ && set_->are_windowed()) {
    preparation.pad_to_patch(item);
  } else if (preparation.has_patches()) {
    preparation.cut_patch(item, stream);
  }
  preparation.lay_atlas(item);
  const trainer::Augment& augment = set_->source().augment;
  if (random_) move_pixels(item, augment, stream);
  preparation.normalise(item, set_->site_scale());
  if (random_) change_values(item.image, augment, stream);
  Preparation::join_atlas(item);
  return item;
}

}  // namespace consilium::data
