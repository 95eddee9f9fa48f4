#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "client/trainer/training/shuffle.h"
#include "networks.h"

namespace consilium::trainer {
namespace {

using testing::test_device;
using testing::value_of;

std::vector<float> floats_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous().cpu();
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

/// Requires equality on a CPU; a GPU multiplies by the reciprocal instead of dividing.
void check_floats(const at::Tensor& found, const std::vector<float>& expected) {
  const std::vector<float> values = floats_of(found);
  REQUIRE(values.size() == expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    CHECK(std::abs(values[i] - expected[i]) <= (test_device().is_cpu() ? 0.0F : 1e-6F));
  }
}

TEST_CASE("8-bit images are divided by 255, then normalised channel by channel") {
  const at::Tensor images = at::tensor({0, 255, 51, 102, 255, 0, 1, 2}, at::kByte).view({2, 4});
  const job::Normalization scale{.mean = {0.5, 0.0}, .std = {0.5, 2.0}};
  const ExampleStore store =
      value_of(ExampleStore::create(images, at::tensor({1, 0}, at::kLong), {2, 1, 2}, scale, test_device()));
  const std::array<std::int64_t, 2> rows{1, 0};
  const Batch batch = store.gather(rows);
  CHECK(batch.images.sizes() == at::IntArrayRef({2, 2, 1, 2}));
  check_floats(batch.images, {1.0F, -1.0F, (1.0F / 255.0F) / 2.0F, (2.0F / 255.0F) / 2.0F,  //
                              -1.0F, 1.0F, (51.0F / 255.0F) / 2.0F, (102.0F / 255.0F) / 2.0F});
  CHECK(batch.target.values.cpu().equal(at::tensor({0, 1}, at::kLong)));
}

TEST_CASE("float images are not divided by 255") {
  const at::Tensor images = at::tensor({3.0F, 5.0F}, at::kFloat).view({1, 2});
  const std::array<std::int64_t, 1> row{0};
  const auto with = [&](const std::optional<job::Normalization>& scale) {
    return value_of(ExampleStore::create(images, at::tensor({0}, at::kLong), {2}, scale, test_device()))
        .gather(row)
        .images;
  };
  check_floats(with({}), {3.0F, 5.0F});
  check_floats(with(job::Normalization{.mean = {1.0}, .std = {2.0}}), {1.0F, 2.0F});
}

TEST_CASE("a normalisation for another number of channels is refused") {
  const auto store = ExampleStore::create(at::zeros({1, 3}), at::zeros({1}, at::kLong), {3, 1, 1},
                                          job::Normalization{.mean = {0.0, 0.0}, .std = {1.0, 1.0}}, test_device());
  REQUIRE_FALSE(store);
  CHECK(store.error().code == ErrorCode::kInvalidArgument);
  CHECK(store.error().message.find("data.normalize") != std::string::npos);
}

TEST_CASE("an epoch sees every example once, in an order that seed, round and site decide") {
  const auto order = [](std::uint64_t seed, std::uint32_t round, const char* site) {
    Shuffle shuffle(seed, round, site, 50);
    const auto epoch = shuffle.next_epoch();
    return std::vector<std::int64_t>(epoch.begin(), epoch.end());
  };
  const auto first = order(1, 1, "north");
  CHECK(std::set<std::int64_t>(first.begin(), first.end()).size() == 50);
  CHECK(first == order(1, 1, "north"));
  CHECK(first != order(2, 1, "north"));
  CHECK(first != order(1, 2, "north"));
  CHECK(first != order(1, 1, "south"));
}

TEST_CASE("each epoch of a round has an order of its own") {
  Shuffle shuffle(1, 1, "north", 50);
  const auto first = shuffle.next_epoch();
  const std::vector<std::int64_t> kept(first.begin(), first.end());
  const auto second = shuffle.next_epoch();
  CHECK_FALSE(std::equal(kept.begin(), kept.end(), second.begin(), second.end()));
}

}  // namespace
}  // namespace consilium::trainer
