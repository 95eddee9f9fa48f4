#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// What a file that belongs to an image (a mask, a segmentation) has to repeat from the image's own file.
namespace consilium::data {

/// A NIfTI file's own grid and coordinates, as its header states them. A decoded image has its axes reoriented to RAS,
/// but a mask for the file must have the file's own axes.
struct NiftiSpace {
  std::uint32_t version = 1;                         ///< of the format: 1 or 2
  std::array<std::int64_t, 3> size{1, 1, 1};         ///< voxels along the file's axes i, j and k
  std::array<std::uint32_t, 3> world_axis{0, 1, 2};  ///< of i, j and k: 0 is the decoded image's width, 2 its depth
  std::array<bool, 3> reversed{};  ///< that axis runs in the opposite direction to the decoded image's
  std::uint32_t qform_code = 0;
  std::uint32_t sform_code = 0;
  std::uint32_t units = 0;                   ///< xyzt_units, only the bits for space
  std::array<double, 4> pixdim{1, 1, 1, 1};  ///< qfac, then the voxel size along i, j and k
  std::array<double, 6> quaternion{};        ///< b, c, d, and the offsets x, y and z
  std::array<double, 12> sform{};            ///< srow_x, srow_y and srow_z
  bool operator==(const NiftiSpace&) const = default;
};

/// What a DICOM file states about its patient, study and position, for objects that refer to it. It is written only
/// into such objects, which the site keeps, so it never leaves the site.
struct DicomSource {
  struct Frame {
    std::uint32_t number = 1;                         ///< in the file, from 1
    std::optional<std::array<double, 3>> position{};  ///< of its first pixel, in mm, in DICOM's LPS+ system
    std::string instance{};  ///< SOPInstanceUID of its file if the volume consists of several files; else empty
    bool operator==(const Frame&) const = default;
  };
  std::map<std::uint32_t, std::string> attributes;   ///< by tag; the non-empty ones of kDicomSourceTags, in UTF-8
  std::vector<Frame> frames;                         ///< in the order of the decoded image's planes
  std::optional<std::array<double, 6>> orientation;  ///< of a row and of a column, the same for all frames
  bool operator==(const DicomSource&) const = default;
};

/// The origin of every other format: PNG, JPEG, TIFF, numpy.
struct PlainFile {
  bool operator==(const PlainFile&) const = default;
};

using FileOrigin = std::variant<PlainFile, NiftiSpace, DicomSource>;

/// The attributes that a DicomSource can have, sorted: patient, study, frame of reference, series, instance.
inline constexpr std::array kDicomSourceTags{
    0x00080016U, 0x00080018U, 0x00080020U, 0x00080030U, 0x00080050U, 0x00080090U, 0x00081030U,
    0x00100010U, 0x00100020U, 0x00100030U, 0x00100040U, 0x00180015U, 0x00180050U, 0x0020000DU,
    0x0020000EU, 0x00200010U, 0x00200052U, 0x00201040U, 0x00282110U, 0x00282112U, 0x00282114U};
/// The maximum number of frames of a DicomSource; more wouldn't fit into a record.
inline constexpr std::size_t kMaxSourceFrames = 8192;

}  // namespace consilium::data
