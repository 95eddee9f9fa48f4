#include "client/trainer/decode/nifti_image.h"

#include <nifti1.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "client/trainer/decode/nifti_header.h"
#include "client/trainer/decode/pixel_values.h"

namespace consilium::decode {

namespace {

/// Reads one value of the file.
template <class T>
T load(const std::uint8_t* bytes, bool swapped) {
  std::array<std::uint8_t, sizeof(T)> copy;
  std::memcpy(copy.data(), bytes, sizeof(T));
  if (swapped) std::reverse(copy.begin(), copy.end());
  T value;
  std::memcpy(&value, copy.data(), sizeof(T));
  return value;
}

/// The order in which the voxels of one channel are visited: x fastest, then y, then z, whatever their order in the
/// file.
struct Walk {
  std::array<std::int64_t, 3> size;  ///< along x, y and z
  std::array<std::int64_t, 3> step;  ///< in voxels of the file
  std::int64_t begin = 0;
};

Walk walk_of(const NiftiHeader& header) {
  Walk walk{};
  std::int64_t stride = 1;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto world = static_cast<std::size_t>(header.world_axis[axis]);
    walk.size[world] = header.size[axis];
    walk.step[world] = header.reversed[axis] ? -stride : stride;
    if (header.reversed[axis]) walk.begin += (header.size[axis] - 1) * stride;
    stride *= header.size[axis];
  }
  return walk;
}

/// Calls `take(voxel)` with the index of each voxel in the file, in the order of the output.
template <class Take>
void visit(const Walk& walk, std::int64_t channels, Take take) {
  const std::int64_t volume = walk.size[0] * walk.size[1] * walk.size[2];
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    for (std::int64_t z = 0; z < walk.size[2]; ++z) {
      for (std::int64_t y = 0; y < walk.size[1]; ++y) {
        std::int64_t voxel = channel * volume + walk.begin + z * walk.step[2] + y * walk.step[1];
        for (std::int64_t x = 0; x < walk.size[0]; ++x, voxel += walk.step[0]) take(static_cast<std::size_t>(voxel));
      }
    }
  }
}

struct Scale {
  double slope = 1.0;
  double intercept = 0.0;
  [[nodiscard]] bool is_identity() const { return slope == 1.0 && intercept == 0.0; }
  [[nodiscard]] bool is_integral() const {
    return std::trunc(slope) == slope && std::trunc(intercept) == intercept && std::abs(slope) < 1e6 &&
           std::abs(intercept) < 1e9;
  }
};

/// Chooses the type for the scaled values: from the file's type if that has 8 or 16 bits, else from the values. Floats
/// and fractional scales give float32.
template <class T>
Element choose_element(Bytes voxels, bool swapped, const Scale& scale) {
  if (std::is_floating_point_v<T> || !scale.is_integral()) return Element::kFloat32;
  double least = static_cast<double>(std::numeric_limits<T>::min());
  double most = static_cast<double>(std::numeric_limits<T>::max());
  if (sizeof(T) > sizeof(std::int16_t)) {
    T low = std::numeric_limits<T>::max();
    T high = std::numeric_limits<T>::min();
    for (std::size_t i = 0; i < voxels.size(); i += sizeof(T)) {
      const T value = load<T>(voxels.data() + i, swapped);
      low = std::min(low, value);
      high = std::max(high, value);
    }
    least = static_cast<double>(low);
    most = static_cast<double>(high);
    if (scale.is_identity())
      return std::max(std::abs(least), std::abs(most)) < 2147483648.0 ? Element::kInt32 : Element::kFloat32;
  }
  const double one_end = least * scale.slope + scale.intercept;
  const double other_end = most * scale.slope + scale.intercept;
  return element_for(std::min(one_end, other_end), std::max(one_end, other_end));
}

template <class T>
Result<data::Pixels> convert(Bytes voxels, const NiftiHeader& header, const Scale& scale,
                             const std::vector<std::int64_t>& shape, const data::DecodeOptions& options) {
  const Element element = choose_element<T>(voxels, header.swapped, scale);
  CONSILIUM_ASSIGN(const std::size_t count, checked_count(shape, bytes_of(element), options));
  data::Pixels pixels = make_pixels(element, count);
  std::visit(
      [&](auto& values) {
        using Out = typename std::decay_t<decltype(values)>::value_type;
        auto next = values.begin();
        const bool identity = scale.is_identity();
        visit(walk_of(header), header.channels, [&](std::size_t voxel) {
          const T value = load<T>(voxels.data() + voxel * sizeof(T), header.swapped);
          *next++ = static_cast<Out>(identity ? static_cast<double>(value)
                                              : static_cast<double>(value) * scale.slope + scale.intercept);
        });
      },
      pixels);
  return pixels;
}

/// Converts the red, green and blue of a voxel, which are adjacent in the file, to three channels.
Result<data::Pixels> convert_colours(Bytes voxels, const NiftiHeader& header, std::size_t samples,
                                     const std::vector<std::int64_t>& shape, const data::DecodeOptions& options) {
  CONSILIUM_ASSIGN(const std::size_t count, checked_count(shape, 1, options));
  std::vector<std::uint8_t> values(count);
  auto next = values.begin();
  for (std::size_t channel = 0; channel < 3; ++channel) {
    visit(walk_of(header), 1, [&](std::size_t voxel) { *next++ = voxels[voxel * samples + channel]; });
  }
  return data::Pixels(std::move(values));
}

Result<data::Pixels> convert_any(Bytes voxels, const NiftiHeader& header, const std::vector<std::int64_t>& shape,
                                 const data::DecodeOptions& options) {
  const Scale scale = options.labels ? Scale{} : Scale{header.slope, header.intercept};
  switch (header.datatype) {
    case NIFTI_TYPE_UINT8:
      return convert<std::uint8_t>(voxels, header, scale, shape, options);
    case NIFTI_TYPE_INT8:
      return convert<std::int8_t>(voxels, header, scale, shape, options);
    case NIFTI_TYPE_UINT16:
      return convert<std::uint16_t>(voxels, header, scale, shape, options);
    case NIFTI_TYPE_INT16:
      return convert<std::int16_t>(voxels, header, scale, shape, options);
    case NIFTI_TYPE_UINT32:
      return convert<std::uint32_t>(voxels, header, scale, shape, options);
    case NIFTI_TYPE_INT32:
      return convert<std::int32_t>(voxels, header, scale, shape, options);
    case NIFTI_TYPE_UINT64:
      return convert<std::uint64_t>(voxels, header, scale, shape, options);
    case NIFTI_TYPE_INT64:
      return convert<std::int64_t>(voxels, header, scale, shape, options);
    case NIFTI_TYPE_FLOAT32:
      return convert<float>(voxels, header, scale, shape, options);
    case NIFTI_TYPE_FLOAT64:
      return convert<double>(voxels, header, scale, shape, options);
    case NIFTI_TYPE_RGB24:
      return convert_colours(voxels, header, 3, shape, options);
    case NIFTI_TYPE_RGBA32:
      return convert_colours(voxels, header, 4, shape, options);
    default:
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("NIfTI header: voxels of datatype {} can't be read; expected integers, float32, float64 or "
                      "RGB colours",
                      header.datatype));
  }
}

/// Sets the spacing and affine of the image whose axes were reoriented to RAS.
void take_geometry(const NiftiHeader& header, data::DecodedImage& image) {
  std::array<std::array<double, 4>, 3> turned{};
  for (std::size_t row = 0; row < 3; ++row) turned[row][3] = header.affine[row][3];
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto world = static_cast<std::size_t>(header.world_axis[axis]);
    double squares = 0.0;
    for (std::size_t row = 0; row < 3; ++row) {
      const double value = header.affine[row][axis];
      squares += value * value;
      turned[row][world] = header.reversed[axis] ? -value : value;
      if (header.reversed[axis]) turned[row][3] += value * static_cast<double>(header.size[axis] - 1);
    }
    image.spacing[2 - world] = std::sqrt(squares);
  }
  image.has_spacing = true;
  image.has_position = header.has_position;
  if (!header.has_position) return;
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 4; ++column) image.affine[row * 4 + column] = turned[row][column];
  }
}

}  // namespace

Result<data::DecodedImage> decode_nifti(Bytes file, const data::DecodeOptions& options) {
  CONSILIUM_ASSIGN(const NiftiHeader header, read_nifti_header(file));
  const bool colour = header.datatype == NIFTI_TYPE_RGB24 || header.datatype == NIFTI_TYPE_RGBA32;
  if (colour && header.channels != 1) {
    return fail(ErrorCode::kInvalidArgument, "NIfTI header: colours in a fourth dimension can't be read");
  }
  const Walk walk = walk_of(header);
  data::DecodedImage image;
  image.shape = {colour ? 3 : header.channels, walk.size[2], walk.size[1], walk.size[0]};
  take_geometry(header, image);
  if (options.origin) image.origin = header.space;
  CONSILIUM_ASSIGN(const std::size_t count, checked_count(image.shape, 1, options));
  if (options.header_only) return image;
  const std::uint64_t voxels = colour ? count / 3 : count;
  const std::uint64_t bytes = voxels * header.bytes_per_voxel;
  if (header.voxel_offset > file.size() || bytes > file.size() - header.voxel_offset) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("the file is cut off: its NIfTI header declares {} bytes of "
                                                         "voxels after byte {}, but the file has only {} bytes",
                                                         bytes, header.voxel_offset, file.size()));
  }
  CONSILIUM_ASSIGN(image.pixels, convert_any(file.subspan(header.voxel_offset, bytes), header, image.shape, options));
  return image;
}

}  // namespace consilium::decode
