#include "client/trainer/training/item_store.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <numeric>
#include <utility>

namespace consilium::trainer {
namespace {

/// Memory for a batch; pinned where it goes to a GPU, so that the copy doesn't stop the host.
at::Tensor host_tensor(std::vector<std::int64_t> shape, at::ScalarType type, const at::Device& device) {
  return at::empty(shape, at::TensorOptions().dtype(type).pinned_memory(device.is_cuda()));
}

at::Tensor to_device(const at::Tensor& tensor, const at::Device& device) {
  return device.is_cpu() ? tensor : tensor.to(device, /*non_blocking=*/true);
}

/// Writes the targets of a batch into one tensor.
void put_targets(const std::vector<data::PreparedItem>& items, const at::Device& device, Batch& batch) {
  const auto count = static_cast<std::int64_t>(items.size());
  if (const auto* labels = std::get_if<data::LabelVector>(&items[0].target)) {
    batch.labels = host_tensor({count, static_cast<std::int64_t>(labels->values.size())}, at::kFloat, device);
    float* to = batch.labels.mutable_data_ptr<float>();
    for (const auto& item : items) to = std::ranges::copy(std::get<data::LabelVector>(item.target).values, to).out;
  } else if (const auto* mask = std::get_if<data::Mask>(&items[0].target)) {
    std::vector<std::int64_t> shape{count};
    shape.insert(shape.end(), mask->shape.begin(), mask->shape.end());
    batch.labels = host_tensor(shape, at::kLong, device);
    std::int64_t* to = batch.labels.mutable_data_ptr<std::int64_t>();
    for (const auto& item : items) to = std::ranges::copy(std::get<data::Mask>(item.target).classes, to).out;
  } else if (std::holds_alternative<data::ClassLabel>(items[0].target)) {
    batch.labels = host_tensor({count}, at::kLong, device);
    std::int64_t* to = batch.labels.mutable_data_ptr<std::int64_t>();
    for (const auto& item : items) *to++ = std::get<data::ClassLabel>(item.target).value;
  } else {
    for (const auto& item : items) batch.boxes.push_back(std::get<data::Boxes>(item.target));
    return;
  }
  batch.labels = to_device(batch.labels, device);
}

}  // namespace

ItemStore::ItemStore(std::shared_ptr<const data::ItemSet> set, job::Split split, std::vector<std::int64_t> input,
                     const at::Device& device)
    : set_(std::move(set)),
      loader_(std::make_unique<data::Loader>(set_, split, split == job::Split::kTrain)),
      input_(std::move(input)),
      device_(device) {}

Result<std::unique_ptr<ItemStore>> ItemStore::create(std::shared_ptr<const data::ItemSet> set, job::Split split,
                                                     const std::vector<std::int64_t>& input,
                                                     const std::optional<job::Normalization>& normalize,
                                                     const at::Device& device) {
  std::unique_ptr<ItemStore> store(new ItemStore(std::move(set), split, input, device));
  if (!normalize) return store;
  if (normalize->mean.size() != normalize->std.size() ||
      (normalize->mean.size() != 1 && std::cmp_not_equal(normalize->mean.size(), input.front()))) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("data.normalize: expected one mean and std, or one for each of {} channels, found {} and {}",
                    input.front(), normalize->mean.size(), normalize->std.size()));
  }
  store->mean_.assign(normalize->mean.begin(), normalize->mean.end());
  store->deviation_.assign(normalize->std.begin(), normalize->std.end());
  return store;
}

void ItemStore::put_image(const data::Volume& image, float* to) const {
  const std::size_t plane = image.values.size() / mean_.size();
  for (std::size_t c = 0; c < mean_.size(); ++c) {
    const float mean = mean_[c], deviation = deviation_[c];
    std::transform(image.values.begin() + static_cast<std::ptrdiff_t>(c * plane),
                   image.values.begin() + static_cast<std::ptrdiff_t>((c + 1) * plane), to + c * plane,
                   [=](float value) { return (value - mean) / deviation; });
  }
}

Result<Batch> ItemStore::batch(std::span<const std::int64_t> rows) const {
  std::vector<std::int64_t> shape{static_cast<std::int64_t>(rows.size())};
  shape.insert(shape.end(), input_.begin(), input_.end());
  Batch batch{host_tensor(shape, at::kFloat, device_), {}, {}};
  const auto values = std::accumulate(input_.begin(), input_.end(), std::size_t{1}, std::multiplies<>());
  float* to = batch.images.mutable_data_ptr<float>();
  std::vector<data::PreparedItem> items;
  for (const std::int64_t row : rows) {
    auto item = loader_->take(row);
    if (!item) {
      // The file's name stays in the site's own log.
      fmt::print(stderr, "data set: {}\n", item.error().message);
      return fail(item.error().code, "an example of the data set can't be read any more; the site's log names it");
    }
    put_image(item->image, to);
    item->image.values.clear();
    to += values;
    items.push_back(std::move(*item));
  }
  if (!items.empty()) put_targets(items, device_, batch);
  batch.images = to_device(batch.images, device_);
  return batch;
}

}  // namespace consilium::trainer
