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

/// Anatomical maps in a space of their own, such as the probability of each structure. They are resampled to an image's
/// space and become further channels of the model's input. Immutable; thread-safe.
class Atlas {
 public:
  /// Reads a NIfTI file; several maps are its fourth axis. The site provides the file, and the job's author determines
  /// by its hash which file it must be. Fails with kFailedPrecondition if its SHA-256 isn't the job's, with
  /// kInvalidArgument if it has another number of channels or no position, and as ImageDecoder::decode() does.
  static Result<std::shared_ptr<const Atlas>> read(ImageDecoder& decoder, const trainer::AtlasFile& file);
  /// @param maps    the values of each channel
  /// @param affine  maps its voxels to mm (DecodedImage::affine)
  static Result<std::shared_ptr<const Atlas>> create(Volume maps, const Affine& affine);

  [[nodiscard]] std::int64_t channels() const { return maps_.channels; }
  /// Returns the maps' values at the voxels of an image, linearly interpolated; 0 outside the atlas.
  /// @param space  affine of the image's voxels before it was prepared, which `placement` refers to
  /// @param sides  of the result
  [[nodiscard]] Volume at(const Affine& space, const Placement& placement, const Sides& sides) const;

 private:
  Atlas(Volume maps, const Affine& to_voxel) : maps_(std::move(maps)), to_voxel_(to_voxel) {}

  Volume maps_;
  Affine to_voxel_;  ///< maps mm to the atlas's (column, row, slice)
};

}  // namespace consilium::data
