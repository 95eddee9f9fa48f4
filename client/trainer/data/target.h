#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <variant>
#include <vector>

namespace consilium::data {

/// What a model is to say of an item.
enum class TargetKind : std::uint8_t { kClass, kLabels, kMask, kBoxes };
/// "class", "labels", "mask" or "boxes".
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
  std::vector<std::int64_t> shape;  ///< [H, W] or [D, H, W], the image's without its channels
  std::vector<std::uint8_t> classes;
  bool operator==(const Mask&) const = default;
};

/// A rectangle in pixels: left, top, right and bottom edge. A pixel (column c, row r) covers c to c + 1 and r to r + 1.
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
  /// Size of the image that they were drawn in, where the file says it; 0 where it doesn't.
  std::int64_t width = 0;
  std::int64_t height = 0;
  bool operator==(const Boxes&) const = default;
};

/// A mask that is read when its item is.
struct MaskFile {
  std::filesystem::path file;
  bool operator==(const MaskFile&) const = default;
};

/// A target as the list of items has it, and as it is when its item was loaded.
using ListedTarget = std::variant<ClassLabel, LabelVector, MaskFile, Boxes>;
using Target = std::variant<ClassLabel, LabelVector, Mask, Boxes>;

}  // namespace consilium::data
