#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "client/trainer/data/byte_source.h"
#include "client/trainer/data/dataset.h"
#include "common/error/error.h"

namespace consilium::data {

/// The element types that arrays may have, all little-endian.
enum class ElementType : std::uint8_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kUint64,
  kInt64,
  kFloat32,
  kFloat64
};

[[nodiscard]] std::uint64_t bytes_of(ElementType type);
/// Returns the type's name: "uint8", "float32", ...
[[nodiscard]] std::string_view name_of(ElementType type);

/// What a file states about an array before its data. The array is row-major.
struct ArrayHeader {
  ElementType type = ElementType::kUint8;
  std::vector<std::uint64_t> shape;
};

/// Returns the number of bytes of an array's data. Fails with kResourceExhausted if it exceeds `limit`.
Result<std::uint64_t> data_bytes(const ArrayHeader& header, std::uint64_t limit);

/// Reads images or features: uint8, float32 or float64, N x a shape that matches dataset.shape (dataset.h). Call
/// data_bytes() first; it checks the sizes.
Result<Values> read_values(ByteSource& source, const ArrayHeader& header, const Dataset& dataset);

/// Returns true if an array of labels has several columns, each of them a separate label.
[[nodiscard]] bool has_columns(const ArrayHeader& labels);

/// Reads several labels for each example: integers, N x L, each 0 or 1.
Result<std::vector<std::uint8_t>> read_columns(ByteSource& source, const ArrayHeader& header);

/// Reads masks: integers, N x the image's sides without its channels, each from 0 to classes - 1 and at most 255.
Result<std::vector<std::uint8_t>> read_masks(ByteSource& source, const ArrayHeader& header, const Dataset& dataset);

/// Reads labels: integers, N or N x 1, each from 0 to classes - 1.
Result<std::vector<std::uint16_t>> read_labels(ByteSource& source, const ArrayHeader& header, std::int64_t classes);

}  // namespace consilium::data
