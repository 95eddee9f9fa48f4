#include "client/trainer/training/example_store.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "client/trainer/models/cpu_kernels.h"

namespace consilium::trainer {
namespace {

std::vector<float> to_floats(const std::vector<double>& values) {
  std::vector<float> floats;
  for (const double value : values) {
    floats.push_back(static_cast<float>(value));
  }
  return floats;
}

}  // namespace

Result<ExampleStore> ExampleStore::create(const at::Tensor& images, const at::Tensor& labels,
                                          const std::vector<std::int64_t>& input,
                                          const std::optional<job::Normalization>& normalize,
                                          const at::Device& device) {
  ExampleStore store;
  store.input_ = input;
  const std::int64_t values = std::accumulate(input.begin(), input.end(), std::int64_t{1}, std::multiplies<>());
  const job::Normalization scale = normalize.value_or(job::Normalization{.mean = {0.0}, .std = {1.0}});
  store.channels_ = static_cast<std::int64_t>(scale.mean.size());
  if (scale.std.size() != scale.mean.size() || (store.channels_ != 1 && store.channels_ != input.front())) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("data.normalize: expected one mean and std, or one for each of {} channels, found {} and {}",
                    input.front(), scale.mean.size(), scale.std.size()));
  }
  store.plane_ = values / store.channels_;
  store.mean_ = to_floats(scale.mean);
  store.deviation_ = to_floats(scale.std);
  if (images.scalar_type() == at::kByte) {
    for (std::size_t channel = 0; channel < store.mean_.size(); ++channel) {
      for (int value = 0; value < 256; ++value) {
        store.table_.push_back((static_cast<float>(value) / 255.0F - store.mean_[channel]) / store.deviation_[channel]);
      }
    }
  }
  store.images_ = images.view({labels.size(0), store.channels_, store.plane_}).to(device);
  store.labels_ = labels.to(device);
  if (!device.is_cpu()) {
    store.device_mean_ = at::tensor(store.mean_).view({1, store.channels_, 1}).to(device);
    store.device_deviation_ = at::tensor(store.deviation_).view({1, store.channels_, 1}).to(device);
  }
  return store;
}

Batch ExampleStore::gather(std::span<const std::int64_t> rows) const {
  if (images_.is_cpu()) {
    return gather_on_cpu(rows);
  }
  const auto count = static_cast<std::int64_t>(rows.size());
  // The split is on the device. Only the indices of the rows are copied there, from pinned memory, so that the host
  // doesn't wait for the device.
  const at::Tensor host = at::empty({count}, at::TensorOptions().dtype(at::kLong).pinned_memory(true));
  std::copy(rows.begin(), rows.end(), host.mutable_data_ptr<std::int64_t>());
  const at::Tensor index = host.to(images_.device(), /*non_blocking=*/true);
  at::Tensor images = images_.index_select(0, index);
  if (images.scalar_type() == at::kByte) {
    images = images.to(at::kFloat).div_(255.0);
  }
  images.sub_(device_mean_).div_(device_deviation_);
  std::vector<std::int64_t> shape{count};
  shape.insert(shape.end(), input_.begin(), input_.end());
  return {images.view(shape), {.values = labels_.index_select(0, index)}};
}

Batch ExampleStore::gather_on_cpu(std::span<const std::int64_t> rows) const {
  const auto count = static_cast<std::int64_t>(rows.size());
  std::vector<std::int64_t> shape{count};
  shape.insert(shape.end(), input_.begin(), input_.end());
  Batch batch{at::empty(shape, at::kFloat), {.values = at::empty({count}, at::kLong)}};
  float* output = batch.images.mutable_data_ptr<float>();
  if (images_.scalar_type() == at::kByte) {
    kernels::gather_bytes(images_.const_data_ptr<std::uint8_t>(), rows.data(), count, channels_, plane_, table_.data(),
                          output);
  } else {
    kernels::gather_floats(images_.const_data_ptr<float>(), rows.data(), count, channels_, plane_, mean_.data(),
                           deviation_.data(), output);
  }
  const auto* labels = labels_.const_data_ptr<std::int64_t>();
  auto* batch_labels = batch.target.values.mutable_data_ptr<std::int64_t>();
  for (const std::int64_t row : rows) {
    *batch_labels++ = labels[row];
  }
  return batch;
}

}  // namespace consilium::trainer
