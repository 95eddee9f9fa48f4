#include "client/trainer/decode/nifti_header.h"

#include <nifti2_io.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "client/trainer/decode/nifti_image.h"

namespace consilium::decode {

namespace {

constexpr std::int32_t kSizeOfNifti1 = 348;
constexpr std::int32_t kSizeOfNifti2 = 540;
constexpr std::size_t kMagicOfNifti1 = 344;
constexpr std::size_t kMagicOfNifti2 = 4;

struct ImageDeleter {
  void operator()(nifti_image* image) const { nifti_image_free(image); }
};
using Image = std::unique_ptr<nifti_image, ImageDeleter>;

enum class Version { kNone, kOne, kTwo };

Version version_of(Bytes file) {
  if (file.size() < kSizeOfNifti1) return Version::kNone;
  std::int32_t size = 0;
  std::memcpy(&size, file.data(), sizeof size);
  const auto is_size = [size](std::int32_t expected) {
    return size == expected ||
           size == static_cast<std::int32_t>(__builtin_bswap32(static_cast<std::uint32_t>(expected)));
  };
  const auto has = [file](std::size_t offset, const char* magic) {
    return std::memcmp(file.data() + offset, magic, 4) == 0;
  };
  if (is_size(kSizeOfNifti1) && (has(kMagicOfNifti1, "n+1") || has(kMagicOfNifti1, "ni1"))) return Version::kOne;
  if (file.size() >= kSizeOfNifti2 && is_size(kSizeOfNifti2) &&
      (has(kMagicOfNifti2, "n+2") || has(kMagicOfNifti2, "ni2")))
    return Version::kTwo;
  return Version::kNone;
}

tl::unexpected<Error> refuse_header(std::string what) {
  return fail(ErrorCode::kInvalidArgument, "NIfTI header: " + std::move(what));
}

template <class T>
T number_at(Bytes file, std::size_t offset, bool swapped) {
  std::array<std::uint8_t, sizeof(T)> bytes;
  std::memcpy(bytes.data(), file.data() + offset, sizeof(T));
  if (swapped) std::reverse(bytes.begin(), bytes.end());
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

/// Checks the sizes before libnifti does, because it writes outside its header if their number is below 0 or above 7.
Result<void> check_sizes(Bytes file, Version version) {
  constexpr std::size_t kSizesOfNifti1 = 40;
  constexpr std::size_t kSizesOfNifti2 = 16;
  const auto header_size = number_at<std::int32_t>(file, 0, false);
  const bool swapped = header_size != kSizeOfNifti1 && header_size != kSizeOfNifti2;
  const auto size_at = [&](std::size_t index) -> std::int64_t {
    if (version == Version::kOne) return number_at<std::int16_t>(file, kSizesOfNifti1 + 2 * index, swapped);
    return number_at<std::int64_t>(file, kSizesOfNifti2 + 8 * index, swapped);
  };
  const std::int64_t dimensions = size_at(0);
  if (dimensions < 1 || dimensions > 7) return refuse_header(fmt::format("it declares {} dimensions", dimensions));
  for (std::size_t axis = 1; axis <= static_cast<std::size_t>(dimensions); ++axis) {
    const std::int64_t side = size_at(axis);
    if (side < 1 || side > INT32_MAX)
      return refuse_header(fmt::format("it declares {} voxels along dimension {}", side, axis));
  }
  return {};
}

Result<Image> parse(Bytes file, Version version) {
  CONSILIUM_TRY(check_sizes(file, version));
  Image image;
  if (version == Version::kOne) {
    nifti_1_header header{};
    std::memcpy(&header, file.data(), sizeof header);
    if (std::memcmp(header.magic, "n+1", 4) != 0) {
      return refuse_header("the voxels are in another file (.img); join the pair into one .nii file");
    }
    image.reset(nifti_convert_n1hdr2nim(header, nullptr));
  } else {
    nifti_2_header header{};
    std::memcpy(&header, file.data(), sizeof header);
    if (std::memcmp(header.magic, "n+2", 4) != 0) {
      return refuse_header("the voxels are in another file (.img); join the pair into one .nii file");
    }
    image.reset(nifti_convert_n2hdr2nim(header, nullptr));
  }
  if (!image) return refuse_header("its sizes or its voxel type are impossible");
  return image;
}

Result<void> take_sizes(const nifti_image& image, NiftiHeader& header) {
  constexpr std::int64_t kMaxSide = std::int64_t{1} << 31;
  if (image.ndim < 1 || image.ndim > 7) return refuse_header(fmt::format("it declares {} dimensions", image.ndim));
  bool several = false;
  for (int axis = 1; axis <= 7; ++axis) {
    const std::int64_t side = axis <= image.ndim ? image.dim[axis] : 1;
    if (side < 1 || side >= kMaxSide)
      return refuse_header(fmt::format("it declares {} voxels along dimension {}", side, axis));
    if (axis <= 3) {
      header.size[static_cast<std::size_t>(axis - 1)] = side;
    } else if (side > 1) {
      if (several) return refuse_header("expected at most one dimension besides the three spatial ones");
      several = true;
      header.channels = side;
    }
  }
  return {};
}

/// Sets the affine of the file's own coordinates: its sform, else its qform, else its voxel sizes with the first axis
/// from right to left, as nibabel does.
void take_affine(const nifti_image& image, NiftiHeader& header) {
  header.has_position = image.sform_code > 0 || image.qform_code > 0;
  if (header.has_position) {
    const nifti_dmat44& matrix = image.sform_code > 0 ? image.sto_xyz : image.qto_xyz;
    for (std::size_t row = 0; row < 3; ++row) {
      for (std::size_t column = 0; column < 4; ++column) header.affine[row][column] = matrix.m[row][column];
    }
  } else {
    header.affine[0][0] = -image.dx;
    header.affine[1][1] = image.dy;
    header.affine[2][2] = image.dz;
  }
  double millimetres = 1.0;
  if (image.xyz_units == NIFTI_UNITS_METER) millimetres = 1000.0;
  if (image.xyz_units == NIFTI_UNITS_MICRON) millimetres = 0.001;
  for (auto& row : header.affine) {
    for (double& value : row) value *= millimetres;
  }
}

Result<void> take_orientation(NiftiHeader& header) {
  nifti_dmat44 matrix{};
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 4; ++column) {
      if (!std::isfinite(header.affine[row][column]))
        return refuse_header("its orientation has a value that isn't a number");
      matrix.m[row][column] = header.affine[row][column];
    }
  }
  matrix.m[3][3] = 1.0;
  std::array<int, 3> codes{};
  nifti_dmat44_to_orientation(matrix, &codes[0], &codes[1], &codes[2]);
  std::array<bool, 3> seen{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const int code = codes[axis];
    const double length = std::hypot(header.affine[0][axis], header.affine[1][axis], header.affine[2][axis]);
    if (code < NIFTI_L2R || code > NIFTI_S2I || !(length > 0.0) ||
        std::exchange(seen[static_cast<std::size_t>(code - 1) / 2], true)) {
      return refuse_header("its orientation doesn't have three independent directions");
    }
    header.world_axis[axis] = (code - 1) / 2;
    header.reversed[axis] = code % 2 == 0;
  }
  return {};
}

/// Copies the header's own statements about its position, for a mask that must occupy the same space as the file.
void take_space(const nifti_image& image, Version version, NiftiHeader& header) {
  data::NiftiSpace& space = header.space;
  space.version = version == Version::kOne ? 1 : 2;
  space.size = header.size;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    space.world_axis[axis] = static_cast<std::uint32_t>(header.world_axis[axis]);
    space.reversed[axis] = header.reversed[axis];
  }
  const auto code = [](int value) { return static_cast<std::uint32_t>(std::clamp(value, 0, 32767)); };
  space.qform_code = code(image.qform_code);
  space.sform_code = code(image.sform_code);
  space.units = code(image.xyz_units) & 7U;
  space.pixdim = {image.qfac < 0.0 ? -1.0 : 1.0, image.dx, image.dy, image.dz};
  space.quaternion = {image.quatern_b, image.quatern_c, image.quatern_d,
                      image.qoffset_x, image.qoffset_y, image.qoffset_z};
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 4; ++column) space.sform[row * 4 + column] = image.sto_xyz.m[row][column];
  }
}

}  // namespace

bool is_nifti(Bytes file) { return version_of(file) != Version::kNone; }

void set_up_nifti() { nifti_set_debug_level(0); }

Result<NiftiHeader> read_nifti_header(Bytes file) {
  const Version version = version_of(file);
  if (version == Version::kNone) return refuse_header("not found");
  CONSILIUM_ASSIGN(const Image image, parse(file, version));
  NiftiHeader header;
  CONSILIUM_TRY(take_sizes(*image, header));
  header.datatype = image->datatype;
  if (image->nbyper < 1 || image->nbyper > 32) return refuse_header("its voxel type is impossible");
  header.bytes_per_voxel = static_cast<std::size_t>(image->nbyper);
  header.swapped = image->byteorder != nifti_short_order();
  if (image->iname_offset < (version == Version::kOne ? kSizeOfNifti1 : kSizeOfNifti2)) {
    return refuse_header(fmt::format("the voxels begin at byte {}, which is inside the header", image->iname_offset));
  }
  header.voxel_offset = static_cast<std::uint64_t>(image->iname_offset);
  if (image->scl_slope != 0.0 && std::isfinite(image->scl_slope) && std::isfinite(image->scl_inter)) {
    header.slope = image->scl_slope;
    header.intercept = image->scl_inter;
  }
  take_affine(*image, header);
  CONSILIUM_TRY(take_orientation(header));
  take_space(*image, version, header);
  return header;
}

}  // namespace consilium::decode
