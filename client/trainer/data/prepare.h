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

/// An item after everything that is the same in every epoch: cut, windowed and resampled, not yet normalised.
struct PreparedItem {
  Volume image;
  Target target;
  float mean = 0.0F;  ///< of the image's values; bytes count as 0 to 1
  float deviation = 1.0F;
  Placement placement{};          ///< in the image, or in the plane of a volume that was cut
  std::optional<Affine> space{};  ///< of the voxels of that image or plane
  Volume atlas{};                 ///< from lay_atlas() until join_atlas(): the atlas's values at the image's voxels
};

/// Mean and deviation of each channel, or one for all.
struct Scale {
  std::vector<float> mean{0.0F};
  std::vector<float> deviation{1.0F};
};

/// Turns decoded images into what a model takes. Immutable; thread-safe.
class Preparation {
 public:
  /// Fails with kInvalidArgument where the description and the model's input can't fit each other.
  /// @param input  the model's: [C, H, W], [C, D, H, W] or [features]
  /// @param atlas  the last channels of the model's input; null: none. Images must know where they lie then
  static Result<Preparation> create(const trainer::DataSource& source, const std::vector<std::int64_t>& input,
                                    std::shared_ptr<const Atlas> atlas = nullptr);

  /// Reads an item and prepares it. Errors name the item's file, and are for the site's own eyes.
  /// @param plane  of a volume that is cut into slices; else 0
  [[nodiscard]] Result<PreparedItem> load(const Collection& collection, const Item& item, std::int64_t plane) const;
  /// Prepares an image that is in memory, without a target: what load() makes of an item of these pixels.
  [[nodiscard]] Result<PreparedItem> prepare(Volume image, std::int64_t plane) const;
  /// How many examples a decoded image gives: its planes, or 1.
  [[nodiscard]] std::int64_t planes_of(const Volume& image) const;
  /// How many examples a decoded image gives: its planes, or 1. Reads the file's header where it must.
  [[nodiscard]] Result<std::int64_t> planes_of(const Collection& collection, const Item& item) const;

  /// Whether an example is a patch of a prepared item.
  [[nodiscard]] bool has_patches() const { return !options_.patch.empty(); }
  [[nodiscard]] std::uint32_t patches_per_item() const { return has_patches() ? options_.patches_per_item : 1; }
  /// Cuts a patch at a place that is drawn.
  void cut_patch(PreparedItem& item, RandomStream& stream) const;
  /// Pads an image that is smaller than a patch, as much before as after it (one less before where that is odd), as
  /// cut_patch() does. The target stays as it is.
  void pad_to_patch(PreparedItem& item) const;
  /// Normalises as described; bytes become 0 to 1.
  /// @param site  what the training split has on average, for `normalise: site`
  void normalise(PreparedItem& item, const Scale& site) const;

  /// Brings the atlas, where there is one, to the space of an item, whole or a patch, before its pixels move.
  void lay_atlas(PreparedItem& item) const;
  /// Appends what lay_atlas() laid to a normalised image, as its last channels.
  static void join_atlas(PreparedItem& item);

  [[nodiscard]] const trainer::Preprocess& options() const { return options_; }
  /// The axis (D, H, W) that volumes are cut along into planes, where they are.
  [[nodiscard]] std::size_t slice_axis() const;
  /// Sides of an example as the model has it.
  [[nodiscard]] const Sides& sides() const { return sides_; }
  /// Channels of an image, without the atlas's.
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
