#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <variant>
#include <vector>

namespace consilium::data {

/// What a model predicts for an item.
enum class TargetKind : std::uint8_t { kClass, kLabels, kMask, kBoxes };
/// Returns "class", "labels", "mask" or "boxes".
[[nodiscard]] std::string_view name_of(TargetKind kind);

/// One of several classes.
struct ClassLabel {
  std::uint16_t value = 0;
  bool operator==(const ClassLabel&) const = default;
};

/// Several labels at once, each 0 or 1.
struct LabelVector {
  std::vector<std::uint8_t> values;
  bool operator==(const LabelVector&) const = default;
};

/// A class for each pixel or voxel.
struct Mask {
  std::vector<std::int64_t> shape;  ///< [H, W] or [D, H, W], the image's shape without its channels
  std::vector<std::uint8_t> classes;
  bool operator==(const Mask&) const = default;
};

/// A rectangle in pixels: its left, top, right and bottom edges. The pixel in column c and row r extends from c to c +
/// 1 and from r to r + 1.
struct Box {
  float left = 0.0F;
  float top = 0.0F;
  float right = 0.0F;
  float bottom = 0.0F;
  std::uint16_t label = 0;
  bool operator==(const Box&) const = default;
};
struct Boxes {
  std::vector<Box> boxes;
  /// The size of the image that the boxes were drawn in, if the file states it; otherwise 0.
  std::int64_t width = 0;
  std::int64_t height = 0;
  bool operator==(const Boxes&) const = default;
};

/// A mask that is read together with its item.
struct MaskFile {
  std::filesystem::path file;
  bool operator==(const MaskFile&) const = default;
};

/// A target as the list of items holds it, and the target after its item was loaded.
using ListedTarget = std::variant<ClassLabel, LabelVector, MaskFile, Boxes>;
using Target = std::variant<ClassLabel, LabelVector, Mask, Boxes>;

}  // namespace consilium::data
