#include "client/trainer/predict/nifti_mask.h"

#include <nifti1.h>
#include <nifti2.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <variant>

namespace consilium::predict {
namespace {

constexpr std::int64_t kMostInNifti1 = 32767;

/// Returns the space of an image of another format: its spacing, without a position. Columns run to the left, as
/// nibabel assumes for a file without a position.
data::NiftiSpace plain_space(const data::DecodedImage& image, const data::Sides& sides) {
  data::NiftiSpace space;
  space.size = {sides[2], sides[1], sides[0]};
  space.pixdim = {1.0, image.spacing[2], image.spacing[1], image.spacing[0]};
  space.units = image.has_spacing ? NIFTI_UNITS_MM : NIFTI_UNITS_UNKNOWN;
  return space;
}

/// Sets the fields that both versions of the header have under the same names.
template <class Header>
void fill(const data::NiftiSpace& space, Header& header) {
  using Side = std::remove_reference_t<decltype(header.dim[0])>;
  using Number = std::remove_reference_t<decltype(header.pixdim[0])>;
  std::fill(std::begin(header.dim), std::end(header.dim), Side{1});
  std::fill(std::begin(header.pixdim), std::end(header.pixdim), Number{1});
  header.dim[0] = 3;
  header.pixdim[0] = static_cast<Number>(space.pixdim[0]);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    header.dim[axis + 1] = static_cast<Side>(space.size[axis]);
    header.pixdim[axis + 1] = static_cast<Number>(space.pixdim[axis + 1]);
  }
  header.datatype = DT_UINT8;
  header.bitpix = 8;
  header.scl_slope = 1;
  using Code = decltype(header.qform_code);
  header.qform_code = static_cast<Code>(space.qform_code);
  header.sform_code = static_cast<Code>(space.sform_code);
  header.quatern_b = static_cast<Number>(space.quaternion[0]);
  header.quatern_c = static_cast<Number>(space.quaternion[1]);
  header.quatern_d = static_cast<Number>(space.quaternion[2]);
  header.qoffset_x = static_cast<Number>(space.quaternion[3]);
  header.qoffset_y = static_cast<Number>(space.quaternion[4]);
  header.qoffset_z = static_cast<Number>(space.quaternion[5]);
  for (std::size_t i = 0; i < 4; ++i) {
    header.srow_x[i] = static_cast<Number>(space.sform[i]);
    header.srow_y[i] = static_cast<Number>(space.sform[4 + i]);
    header.srow_z[i] = static_cast<Number>(space.sform[8 + i]);
  }
  header.intent_code = NIFTI_INTENT_LABEL;
}

template <class Header>
std::string bytes_of_header(const Header& header) {
  constexpr std::size_t kNoExtensions = 4;
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes.append(kNoExtensions, '\0');
  return bytes;
}

std::string header_of(const data::NiftiSpace& space) {
  if (space.version == 1 && std::ranges::max(space.size) <= kMostInNifti1) {
    nifti_1_header header{};
    fill(space, header);
    header.sizeof_hdr = sizeof header;
    header.xyzt_units = static_cast<char>(space.units);
    header.vox_offset = sizeof header + 4;
    std::memcpy(header.magic, "n+1", 4);
    return bytes_of_header(header);
  }
  nifti_2_header header{};
  fill(space, header);
  header.sizeof_hdr = sizeof header;
  header.xyzt_units = static_cast<std::int32_t>(space.units);
  header.vox_offset = sizeof header + 4;
  std::memcpy(header.magic, "n+2\0\r\n\032\n", 8);
  return bytes_of_header(header);
}

}  // namespace

std::string nifti_mask(const data::DecodedImage& image, const data::Sides& sides,
                       std::span<const std::uint8_t> classes) {
  const auto* own = image.origin ? std::get_if<data::NiftiSpace>(&*image.origin) : nullptr;
  const data::NiftiSpace space = own == nullptr ? plain_space(image, sides) : *own;
  std::string bytes = header_of(space);
  // For each of the decoded image's axes (width, height, depth), the distance from one voxel to the next.
  const std::array<std::int64_t, 3> strides{1, sides[2], sides[1] * sides[2]};
  std::array<std::int64_t, 3> step{};
  std::int64_t begin = 0;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::int64_t stride = strides[space.world_axis[axis]];
    step[axis] = space.reversed[axis] ? -stride : stride;
    if (space.reversed[axis]) begin += (space.size[axis] - 1) * stride;
  }
  bytes.reserve(bytes.size() + classes.size());
  for (std::int64_t k = 0; k < space.size[2]; ++k) {
    for (std::int64_t j = 0; j < space.size[1]; ++j) {
      for (std::int64_t i = 0; i < space.size[0]; ++i)
        bytes.push_back(
            static_cast<char>(classes[static_cast<std::size_t>(begin + k * step[2] + j * step[1] + i * step[0])]));
    }
  }
  return bytes;
}

Result<std::string> gzipped(const std::string& bytes) {
  constexpr int kGzip = 15 + 16;  // zlib's largest window, with gzip's header
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return fail(ErrorCode::kInternal, "zlib can't compress");
  std::string packed;
  std::array<char, 1 << 16> part;
  std::size_t given = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    const std::size_t count = std::min<std::size_t>(bytes.size() - given, std::numeric_limits<int>::max());
    if (stream.avail_in == 0) {
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + given));
      stream.avail_in = static_cast<uInt>(count);
      given += count;
    }
    stream.next_out = reinterpret_cast<Bytef*>(part.data());
    stream.avail_out = static_cast<uInt>(part.size());
    state = deflate(&stream, given == bytes.size() ? Z_FINISH : Z_NO_FLUSH);
    packed.append(part.data(), part.size() - stream.avail_out);
  }
  deflateEnd(&stream);
  if (state != Z_STREAM_END) return fail(ErrorCode::kInternal, "zlib can't compress");
  return packed;
}

}  // namespace consilium::predict
