#include "client/trainer/training/item_store.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <utility>

#include "client/trainer/data/split.h"

namespace consilium::trainer {
namespace {

/// Allocates memory for a batch. It is pinned if it goes to a GPU, so that the copy doesn't block the host.
at::Tensor host_tensor(std::vector<std::int64_t> shape, at::ScalarType type, const at::Device& device) {
  return at::empty(shape, at::TensorOptions().dtype(type).pinned_memory(device.is_cuda()));
}

at::Tensor to_device(const at::Tensor& tensor, const at::Device& device) {
  return device.is_cpu() ? tensor : tensor.to(device, /*non_blocking=*/true);
}

/// Returns the boxes of one image in the form that the task reads.
Boxes boxes_of(const data::Boxes& listed, const at::Device& device) {
  const auto count = static_cast<std::int64_t>(listed.boxes.size());
  const Boxes boxes{host_tensor({count, 4}, at::kFloat, device), host_tensor({count}, at::kLong, device)};
  float* corner = boxes.corners.mutable_data_ptr<float>();
  auto* of_class = boxes.classes.mutable_data_ptr<std::int64_t>();
  for (const data::Box& box : listed.boxes) {
    for (const float side : {box.left, box.top, box.right, box.bottom}) *corner++ = side;
    *of_class++ = box.label;
  }
  return {to_device(boxes.corners, device), to_device(boxes.classes, device)};
}

/// Returns the sizes of a pixel or voxel along each dimension of the masks.
at::Tensor spacing_of(const std::vector<data::PreparedItem>& items, std::size_t dimensions) {
  at::Tensor spacing =
      at::empty({static_cast<std::int64_t>(items.size()), static_cast<std::int64_t>(dimensions)}, at::kDouble);
  double* to = spacing.mutable_data_ptr<double>();
  for (const auto& item : items) {
    const auto& sizes = item.image.spacing;  // along depth, height and width
    to = std::copy(sizes.end() - static_cast<std::ptrdiff_t>(dimensions), sizes.end(), to);
  }
  return spacing;
}

/// Writes the targets of a batch.
Target target_of(const std::vector<data::PreparedItem>& items, const at::Device& device) {
  const auto count = static_cast<std::int64_t>(items.size());
  Target target;
  if (const auto* labels = std::get_if<data::LabelVector>(&items[0].target)) {
    target.values = host_tensor({count, static_cast<std::int64_t>(labels->values.size())}, at::kFloat, device);
    float* to = target.values.mutable_data_ptr<float>();
    for (const auto& item : items) to = std::ranges::copy(std::get<data::LabelVector>(item.target).values, to).out;
  } else if (const auto* mask = std::get_if<data::Mask>(&items[0].target)) {
    std::vector<std::int64_t> shape{count};
    shape.insert(shape.end(), mask->shape.begin(), mask->shape.end());
    target.values = host_tensor(shape, at::kLong, device);
    target.spacing = spacing_of(items, mask->shape.size());
    std::int64_t* to = target.values.mutable_data_ptr<std::int64_t>();
    for (const auto& item : items) to = std::ranges::copy(std::get<data::Mask>(item.target).classes, to).out;
  } else if (std::holds_alternative<data::ClassLabel>(items[0].target)) {
    target.values = host_tensor({count}, at::kLong, device);
    std::int64_t* to = target.values.mutable_data_ptr<std::int64_t>();
    for (const auto& item : items) *to++ = std::get<data::ClassLabel>(item.target).value;
  } else {
    for (const auto& item : items) target.boxes.push_back(boxes_of(std::get<data::Boxes>(item.target), device));
    return target;
  }
  target.values = to_device(target.values, device);
  return target;
}

}  // namespace

ItemStore::ItemStore(std::shared_ptr<const data::ItemSet> set, job::Split split, Use use,
                     std::vector<std::int64_t> input, const at::Device& device)
    : set_(std::move(set)),
      loader_(std::make_unique<data::Loader>(set_, split, use == Use::kTraining)),
      input_(std::move(input)),
      device_(device),
      windowed_(use == Use::kEvaluation && set_->are_windowed()) {}

Result<std::unique_ptr<ItemStore>> ItemStore::create(std::shared_ptr<const data::ItemSet> set, job::Split split,
                                                     Use use, const std::vector<std::int64_t>& input,
                                                     const std::optional<job::Normalization>& normalize,
                                                     const at::Device& device) {
  std::unique_ptr<ItemStore> store(new ItemStore(std::move(set), split, use, input, device));
  CONSILIUM_ASSIGN(store->scale_, InputScale::create(normalize, input));
  return store;
}

std::vector<std::uint32_t> ItemStore::patients() const {
  std::map<std::string, std::uint32_t> numbers;
  std::vector<std::uint32_t> whose;
  for (const data::ExampleKey& key : loader_->keys()) {
    const auto next = static_cast<std::uint32_t>(numbers.size());
    whose.push_back(numbers.emplace(data::owner_of(set_->item(key)), next).first->second);
  }
  return whose;
}

Result<Batch> ItemStore::batch(std::span<const std::int64_t> rows) const {
  std::vector<data::PreparedItem> items;
  for (const std::int64_t row : rows) {
    auto item = loader_->take(row);
    if (!item) {
      // The file's name stays in the site's own log.
      fmt::print(stderr, "data set: {}\n", item.error().message);
      return fail(item.error().code, "an example of the data set can't be read any more; the site's log names it");
    }
    items.push_back(std::move(*item));
  }
  std::vector<std::int64_t> shape = input_;
  if (windowed_ && !items.empty()) {
    const data::Sides& sides = items[0].image.sides;
    std::copy(sides.end() - static_cast<std::ptrdiff_t>(shape.size() - 1), sides.end(), shape.begin() + 1);
  }
  shape.insert(shape.begin(), static_cast<std::int64_t>(items.size()));
  Batch batch{host_tensor(shape, at::kFloat, device_), {}};
  float* to = batch.images.mutable_data_ptr<float>();
  for (data::PreparedItem& item : items) {
    scale_.write(item.image, to);
    to += item.image.values.size();
    item.image.values = {};
  }
  if (!items.empty()) batch.target = target_of(items, device_);
  batch.images = to_device(batch.images, device_);
  return batch;
}

}  // namespace consilium::trainer
