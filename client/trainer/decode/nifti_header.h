#pragma once

#include <array>
#include <cstdint>

#include "client/trainer/data/file_origin.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// The checked content of a NIfTI file's header. It describes the axes i, j, k in which the file stores the voxels.
struct NiftiHeader {
  std::array<std::int64_t, 3> size{1, 1, 1};  ///< voxels along i, j and k
  std::int64_t channels = 1;  ///< values for each voxel; the file stores each channel as a separate volume
  int datatype = 0;           ///< a NIFTI_TYPE_* number
  std::size_t bytes_per_voxel = 0;
  bool swapped = false;  ///< the voxels' byte order isn't this machine's
  std::uint64_t voxel_offset = 0;
  double slope = 1.0;
  double intercept = 0.0;
  /// Maps (i, j, k, 1) to mm, RAS+: the first three rows of the matrix.
  std::array<std::array<double, 4>, 3> affine{};
  bool has_position = false;
  /// For each of i, j and k, the closest world axis (0: left to right, 1: back to front, 2: feet to head).
  std::array<int, 3> world_axis{0, 1, 2};
  std::array<bool, 3> reversed{};  ///< that axis runs in the opposite direction to the world's
  data::NiftiSpace space;          ///< the same information in the form that a mask for the file needs
};

/// Reads the header of a NIfTI-1 or -2 file. Fails with kInvalidArgument for sizes, types and matrices that no image
/// has.
Result<NiftiHeader> read_nifti_header(Bytes file);

}  // namespace consilium::decode
