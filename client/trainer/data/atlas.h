#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/data/placement.h"
#include "client/trainer/data/volume.h"
#include "client/trainer/protocol/messages.h"
#include "common/error/error.h"

namespace consilium::data {

/// Maps of the anatomy in a space of their own, such as the probability of each structure, which are brought to an
/// image's space and become further channels of a model's input. Immutable; thread-safe.
class Atlas {
 public:
  /// Reads a NIfTI file, of which several maps are the fourth axis. The file is the site's own, and the job's author
  /// chose which one it must be. Fails with kFailedPrecondition where its SHA-256 is another than the job's,
  /// kInvalidArgument where it has other channels or no position, and as ImageDecoder::decode() does.
  static Result<std::shared_ptr<const Atlas>> read(ImageDecoder& decoder, const trainer::AtlasFile& file);
  /// @param maps  values of each channel  @param affine  of its voxels (DecodedImage::affine)
  static Result<std::shared_ptr<const Atlas>> create(Volume maps, const Affine& affine);

  [[nodiscard]] std::int64_t channels() const { return maps_.channels; }
  /// The maps' values at the voxels of an image, linearly interpolated; 0 outside of the atlas.
  /// @param space      of the voxels of the image that `placement` is in
  /// @param sides      of the result
  [[nodiscard]] Volume at(const Affine& space, const Placement& placement, const Sides& sides) const;

 private:
  Atlas(Volume maps, const Affine& to_voxel) : maps_(std::move(maps)), to_voxel_(to_voxel) {}

  Volume maps_;
  Affine to_voxel_;  ///< from mm to the atlas's (column, row, slice)
};

}  // namespace consilium::data
