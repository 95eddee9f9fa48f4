#include "client/trainer/models/parameter_storage.h"

#include <algorithm>
#include <functional>

namespace consilium::trainer {
namespace {

constexpr std::size_t kAlignment = 16;  // floats: 64 bytes, like LibTorch's own allocations

bool is_trained(const TensorInfo& info) { return info.role == TensorRole::kTrainable && !info.frozen; }

std::size_t aligned(std::size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

ParameterStorage::ParameterStorage(const ParameterManifest& manifest, const at::Device& device)
    : parameter_count_(manifest.parameter_count()) {
  for (const TensorInfo& info : manifest.tensors()) {
    places_.push_back({.info = info});
  }
  std::size_t next = 0;
  const auto lay_out = [&](bool trained) {
    for (Place& place : places_) {
      if (is_trained(place.info) == trained) {
        place.inside = next;
        next += aligned(place.info.size);
      }
    }
  };
  lay_out(true);
  const auto trainable = static_cast<std::int64_t>(next);
  lay_out(false);
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  values_ = at::zeros({static_cast<std::int64_t>(next)}, options);
  trainable_ = values_.narrow(0, 0, trainable);
  gradients_ = at::zeros({trainable}, options);
}

Result<Parameter> ParameterStorage::take(std::string_view name, at::IntArrayRef shape, TensorRole role) {
  const auto found =
      std::find_if(places_.begin(), places_.end(), [&](const Place& place) { return place.info.name == name; });
  if (found == places_.end() || found->taken || found->info.role != role ||
      at::IntArrayRef(found->info.shape) != shape) {
    return fail(ErrorCode::kInternal,
                "the manifest has no free tensor '" + std::string(name) + "' of the module's shape and role");
  }
  found->taken = true;
  const auto start = static_cast<std::int64_t>(found->inside);
  const auto size = static_cast<std::int64_t>(found->info.size);
  Parameter parameter{.value = values_.narrow(0, start, size).view(shape), .gradient = {}};
  if (is_trained(found->info)) {
    parameter.gradient = gradients_.narrow(0, start, size).view(shape);
  }
  return parameter;
}

Result<void> ParameterStorage::all_taken() const {
  for (const Place& place : places_) {
    if (!place.taken) {
      return fail(ErrorCode::kInternal,
                  "the network has no module for the manifest's tensor '" + place.info.name + "'");
    }
  }
  return {};
}

std::vector<ParameterStorage::Trained> ParameterStorage::trained() const {
  std::vector<Trained> tensors;
  for (const Place& place : places_) {
    if (!is_trained(place.info)) continue;
    tensors.push_back({.name = place.info.name,
                       .begin = static_cast<std::int64_t>(place.inside),
                       .size = static_cast<std::int64_t>(place.info.size)});
  }
  return tensors;
}

void ParameterStorage::load(std::span<const float> vector) {
  const at::Tensor host = values_.is_cpu() ? values_ : at::zeros(values_.sizes(), at::kFloat);
  float* inside = host.mutable_data_ptr<float>();
  for (const Place& place : places_) {
    std::copy_n(vector.begin() + static_cast<std::ptrdiff_t>(place.info.offset), place.info.size,
                inside + place.inside);
  }
  if (!values_.is_cpu()) {
    values_.copy_(host);
  }
}

void ParameterStorage::store(std::span<float> vector) const {
  const at::Tensor host = values_.cpu();
  const float* inside = host.const_data_ptr<float>();
  for (const Place& place : places_) {
    std::copy_n(inside + place.inside, place.info.size,
                vector.begin() + static_cast<std::ptrdiff_t>(place.info.offset));
  }
}

void ParameterStorage::store_difference(std::span<const float> base, std::span<float> difference) const {
  const at::Tensor host = values_.cpu();
  const float* inside = host.const_data_ptr<float>();
  for (const Place& place : places_) {
    const float* local = inside + place.inside;
    std::transform(local, local + place.info.size, base.data() + place.info.offset,
                   difference.data() + place.info.offset, std::minus<>());
  }
}

}  // namespace consilium::trainer
