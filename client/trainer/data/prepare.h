#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "client/trainer/data/atlas.h"
#include "client/trainer/data/collection.h"
#include "client/trainer/data/placement.h"
#include "client/trainer/data/target.h"
#include "client/trainer/data/volume.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"
#include "common/random/random_stream.h"

namespace consilium::data {

/// An item after every step that is the same in each epoch: it is cropped, windowed and resampled, but not yet
/// normalised.
struct PreparedItem {
  Volume image;
  Target target;
  float mean = 0.0F;  ///< of the image's values; those of bytes count as 0 to 1
  float deviation = 1.0F;
  Placement placement{};          ///< in the original image, or in the plane if a volume was cut into planes
  std::optional<Affine> space{};  ///< of the voxels of that image or plane
  Volume atlas{};  ///< the atlas's values at the image's voxels; filled from lay_atlas() until join_atlas()
};

/// Mean and standard deviation, of each channel or of all channels together.
struct Scale {
  std::vector<float> mean{0.0F};
  std::vector<float> deviation{1.0F};
};

/// Converts decoded images to a model's input. Immutable; thread-safe.
class Preparation {
 public:
  /// Fails with kInvalidArgument if the description and the model's input can't fit each other.
  /// @param input  the model's: [C, H, W], [C, D, H, W] or [features]
  /// @param atlas  provides the last channels of the model's input, and requires that images state their position;
  /// null: none
  static Result<Preparation> create(const trainer::DataSource& source, const std::vector<std::int64_t>& input,
                                    std::shared_ptr<const Atlas> atlas = nullptr);

  /// Reads an item and prepares it. Errors name the item's file and are only for the people at the site.
  /// @param plane  of a volume that is cut into slices; else 0
  [[nodiscard]] Result<PreparedItem> load(const Collection& collection, const Item& item, std::int64_t plane) const;
  /// Prepares an image in memory, without a target. The result equals that of load() for an item with these pixels.
  [[nodiscard]] Result<PreparedItem> prepare(Volume image, std::int64_t plane) const;
  /// Returns how many examples a decoded image gives: its number of planes, or 1.
  [[nodiscard]] std::int64_t planes_of(const Volume& image) const;
  /// Returns how many examples an item gives: its number of planes, or 1. Reads the file's header if it must.
  [[nodiscard]] Result<std::int64_t> planes_of(const Collection& collection, const Item& item) const;

  /// Returns true if an example is a patch of a prepared item.
  [[nodiscard]] bool has_patches() const { return !options_.patch.empty(); }
  [[nodiscard]] std::uint32_t patches_per_item() const { return has_patches() ? options_.patches_per_item : 1; }
  /// Cuts a patch at a random place, drawn from the stream.
  void cut_patch(PreparedItem& item, RandomStream& stream) const;
  /// Pads an image that is smaller than a patch, equally before and after it (with one less before it if the padding is
  /// odd), as cut_patch() does. Doesn't change the target.
  void pad_to_patch(PreparedItem& item) const;
  /// Normalises as the description says; bytes become 0 to 1.
  /// @param site  mean and deviation of the training split, for `normalise: site`
  void normalise(PreparedItem& item, const Scale& site) const;

  /// If there is an atlas, resamples it to the space of an item, which is whole or a patch. Call it before augmentation
  /// moves the pixels.
  void lay_atlas(PreparedItem& item) const;
  /// Appends the atlas values from lay_atlas() to a normalised image, as its last channels.
  static void join_atlas(PreparedItem& item);

  [[nodiscard]] const trainer::Preprocess& options() const { return options_; }
  /// Returns the axis (D, H, W) along which volumes are cut into planes, if they are.
  [[nodiscard]] std::size_t slice_axis() const;
  /// Returns the sides of an example in the model's input.
  [[nodiscard]] const Sides& sides() const { return sides_; }
  /// Returns the number of an image's channels, without those of the atlas.
  [[nodiscard]] std::int64_t channels() const { return channels_; }

 private:
  Result<PreparedItem> prepare(Volume image, Target target, std::int64_t plane) const;
  Result<void> shape(PreparedItem& item) const;
  Result<void> check_sides(const Volume& image) const;

  trainer::Preprocess options_;
  std::optional<double> threshold_;
  std::shared_ptr<const Atlas> atlas_;
  std::int64_t channels_ = 1;
  Sides sides_{1, 1, 1};
  bool flat_ = true;
};

}  // namespace consilium::data
