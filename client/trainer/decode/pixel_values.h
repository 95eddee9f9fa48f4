#pragma once

#include <cstdint>
#include <string_view>

#include "client/trainer/data/decoded_image.h"
#include "common/error/error.h"

namespace consilium::decode {

/// The type of one element of data::Pixels, in the order of its alternatives.
enum class Element { kUint8, kUint16, kInt16, kInt32, kFloat32 };

/// Returns "uint8", "uint16", "int16", "int32" or "float32".
[[nodiscard]] std::string_view name_of(Element element);
[[nodiscard]] std::size_t bytes_of(Element element);
[[nodiscard]] Element element_of(const data::Pixels& pixels);

/// Returns the smallest integer type that holds every value from `least` to `most`, or kFloat32 if there is none.
[[nodiscard]] Element element_for(double least, double most);

/// Returns `count` zeros of that type. The caller must have checked the size.
[[nodiscard]] data::Pixels make_pixels(Element element, std::size_t count);
[[nodiscard]] std::size_t count_of(const data::Pixels& pixels);

/// Returns the product of a shape's sizes; it must have 3 or 4, each at least 1. Fails with kInvalidArgument for a
/// shape that no image has, and with kResourceExhausted if `count * bytes_per_element` exceeds the options' max_bytes.
Result<std::size_t> checked_count(const std::vector<std::int64_t>& shape, std::size_t bytes_per_element,
                                  const data::DecodeOptions& options);

/// Fails with kInvalidArgument if a float is NaN or infinite.
Result<void> require_finite(const data::Pixels& pixels);

}  // namespace consilium::decode
