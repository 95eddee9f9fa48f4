#include "client/trainer/training/input_scale.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

namespace consilium::trainer {

Result<InputScale> InputScale::create(const std::optional<job::Normalization>& normalize,
                                      const std::vector<std::int64_t>& input) {
  InputScale scale;
  if (!normalize) return scale;
  if (normalize->mean.size() != normalize->std.size() ||
      (normalize->mean.size() != 1 && std::cmp_not_equal(normalize->mean.size(), input.front()))) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("data.normalize: expected one mean and std, or one for each of {} channels, found {} and {}",
                    input.front(), normalize->mean.size(), normalize->std.size()));
  }
  scale.mean_.assign(normalize->mean.begin(), normalize->mean.end());
  scale.deviation_.assign(normalize->std.begin(), normalize->std.end());
  return scale;
}

void InputScale::write(const data::Volume& image, float* to) const {
  const std::size_t plane = image.values.size() / mean_.size();
  for (std::size_t c = 0; c < mean_.size(); ++c) {
    const float mean = mean_[c], deviation = deviation_[c];
    std::transform(image.values.begin() + static_cast<std::ptrdiff_t>(c * plane),
                   image.values.begin() + static_cast<std::ptrdiff_t>((c + 1) * plane), to + c * plane,
                   [=](float value) { return (value - mean) / deviation; });
  }
}

}  // namespace consilium::trainer
