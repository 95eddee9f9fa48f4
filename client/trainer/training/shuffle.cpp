#include "client/trainer/training/shuffle.h"

#include <numeric>
#include <utility>

namespace consilium::trainer {

Shuffle::Shuffle(std::uint64_t seed, std::uint32_t round, std::string_view site, std::int64_t examples)
    : stream_(seed, RandomPurpose::kShuffle, round, site), order_(static_cast<std::size_t>(examples)) {}

std::span<const std::int64_t> Shuffle::next_epoch() {
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
  for (std::size_t i = order_.size(); i > 1; --i) {
    std::swap(order_[i - 1], order_[static_cast<std::size_t>(stream_.below(i))]);
  }
  return order_;
}

}  // namespace consilium::trainer
