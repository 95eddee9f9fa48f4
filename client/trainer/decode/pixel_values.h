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

/// Returns the smallest integer type that holds every value from `least` to `most`; kFloat32 where there is none.
[[nodiscard]] Element element_for(double least, double most);

/// Makes `count` zeros of that type. The caller has checked the size.
[[nodiscard]] data::Pixels make_pixels(Element element, std::size_t count);
[[nodiscard]] std::size_t count_of(const data::Pixels& pixels);

/// Returns the product of a shape's sizes, 3 or 4 of them, each at least 1. Fails with kInvalidArgument for a shape
/// that no image has, with kResourceExhausted where `count * bytes_per_element` is beyond options' max_bytes.
Result<std::size_t> checked_count(const std::vector<std::int64_t>& shape, std::size_t bytes_per_element,
                                  const data::DecodeOptions& options);

/// Fails with kInvalidArgument where a float is NaN or infinite.
Result<void> require_finite(const data::Pixels& pixels);

}  // namespace consilium::decode
