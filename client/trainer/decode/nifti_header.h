#pragma once

#include <array>
#include <cstdint>

#include "client/trainer/data/file_origin.h"
#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// What a NIfTI file's header says, checked. It holds for the axes i, j, k in which the voxels lie in the file.
struct NiftiHeader {
  std::array<std::int64_t, 3> size{1, 1, 1};  ///< voxels along i, j and k
  std::int64_t channels = 1;                  ///< values a voxel, each of them a volume of its own in the file
  int datatype = 0;                           ///< a NIFTI_TYPE_* number
  std::size_t bytes_per_voxel = 0;
  bool swapped = false;  ///< the voxels are in the other byte order than this machine's
  std::uint64_t voxel_offset = 0;
  double slope = 1.0;
  double intercept = 0.0;
  /// Maps (i, j, k, 1) to mm, RAS+; the first three rows of the matrix.
  std::array<std::array<double, 4>, 3> affine{};
  bool has_position = false;
  /// Of i, j and k each: the world axis (0: left to right, 1: back to front, 2: feet to head) that lies nearest.
  std::array<int, 3> world_axis{0, 1, 2};
  std::array<bool, 3> reversed{};  ///< that axis runs against the world's
  data::NiftiSpace space;          ///< the same as a mask for the file needs it
};

/// Reads the header of a NIfTI-1 or -2 file. Fails with kInvalidArgument for sizes, types and matrices that no image
/// has.
Result<NiftiHeader> read_nifti_header(Bytes file);

}  // namespace consilium::decode
