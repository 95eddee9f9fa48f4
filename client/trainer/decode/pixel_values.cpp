#include "client/trainer/decode/pixel_values.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <cmath>
#include <limits>

namespace consilium::decode {

namespace {

constexpr std::array<std::string_view, 5> kNames{"uint8", "uint16", "int16", "int32", "float32"};
constexpr std::array<std::size_t, 5> kBytes{1, 2, 2, 4, 4};
constexpr std::int64_t kMaxSide = std::numeric_limits<std::int32_t>::max();

template <class T>
bool holds(double least, double most) {
  return least >= static_cast<double>(std::numeric_limits<T>::min()) &&
         most <= static_cast<double>(std::numeric_limits<T>::max());
}

}  // namespace

std::string_view name_of(Element element) { return kNames[static_cast<std::size_t>(element)]; }

std::size_t bytes_of(Element element) { return kBytes[static_cast<std::size_t>(element)]; }

Element element_of(const data::Pixels& pixels) { return static_cast<Element>(pixels.index()); }

Element element_for(double least, double most) {
  if (holds<std::uint8_t>(least, most)) return Element::kUint8;
  if (holds<std::uint16_t>(least, most)) return Element::kUint16;
  if (holds<std::int16_t>(least, most)) return Element::kInt16;
  if (holds<std::int32_t>(least, most)) return Element::kInt32;
  return Element::kFloat32;
}

data::Pixels make_pixels(Element element, std::size_t count) {
  switch (element) {
    case Element::kUint8:
      return std::vector<std::uint8_t>(count);
    case Element::kUint16:
      return std::vector<std::uint16_t>(count);
    case Element::kInt16:
      return std::vector<std::int16_t>(count);
    case Element::kInt32:
      return std::vector<std::int32_t>(count);
    case Element::kFloat32:
      break;
  }
  return std::vector<float>(count);
}

std::size_t count_of(const data::Pixels& pixels) {
  return std::visit([](const auto& values) { return values.size(); }, pixels);
}

Result<std::size_t> checked_count(const std::vector<std::int64_t>& shape, std::size_t bytes_per_element,
                                  const data::DecodeOptions& options) {
  if (shape.size() != 3 && shape.size() != 4) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("expected an image of 3 or 4 dimensions, found {}", shape.size()));
  }
  std::uint64_t bytes = bytes_per_element;
  for (const std::int64_t side : shape) {
    if (side < 1 || side > kMaxSide) {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("expected an image of 1 to {} rows, columns, slices and channels, found {}", kMaxSide, side));
    }
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(side), &bytes) || bytes > options.max_bytes) {
      return fail(ErrorCode::kResourceExhausted,
                  fmt::format("the image's pixels take more than the limit of {} bytes", options.max_bytes));
    }
  }
  return static_cast<std::size_t>(bytes / bytes_per_element);
}

Result<void> require_finite(const data::Pixels& pixels) {
  const auto* floats = std::get_if<std::vector<float>>(&pixels);
  if (floats == nullptr) return {};
  for (std::size_t i = 0; i < floats->size(); ++i) {
    if (!std::isfinite((*floats)[i])) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("value {} of the image is NaN or infinite; replace it in the file", i));
    }
  }
  return {};
}

}  // namespace consilium::decode
