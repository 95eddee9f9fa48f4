#include "client/trainer/decode/dicom/image_module.h"

#include <dcmtk/dcmdata/dcdeftag.h>
#include <spdlog/fmt/fmt.h>

#include <array>
#include <cmath>
#include <utility>

namespace consilium::decode {

namespace {

constexpr std::int64_t kMaxSide = 65535;
constexpr std::int64_t kMaxFrames = 1'000'000;

Result<Photometric> photometric_of(DcmItem& dataset, std::int64_t samples) {
  // YBR_RCT and YBR_ICT are the colour spaces of compressed JPEG 2000; its decoder converts them to RGB.
  static constexpr std::array kKnown{std::pair{"MONOCHROME1", Photometric::kMonochrome1},
                                     std::pair{"MONOCHROME2", Photometric::kMonochrome2},
                                     std::pair{"PALETTE COLOR", Photometric::kPalette},
                                     std::pair{"RGB", Photometric::kRgb},
                                     std::pair{"YBR_FULL", Photometric::kYbrFull},
                                     std::pair{"YBR_FULL_422", Photometric::kYbrFull422},
                                     std::pair{"YBR_RCT", Photometric::kRgb},
                                     std::pair{"YBR_ICT", Photometric::kRgb}};
  CONSILIUM_ASSIGN(const std::string name, read_text(dataset, DCM_PhotometricInterpretation));
  for (const auto& [known, photometric] : kKnown) {
    if (name != known) continue;
    const bool coloured = photometric >= Photometric::kRgb;
    if (coloured == (samples == 3)) return photometric;
    return fail(ErrorCode::kInvalidArgument, fmt::format("DICOM {}: '{}' is impossible with {} samples per pixel",
                                                         name_of(DCM_PhotometricInterpretation), known, samples));
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("DICOM {}: expected MONOCHROME1, MONOCHROME2, PALETTE COLOR, RGB, YBR_FULL, YBR_FULL_422, "
                          "YBR_RCT or YBR_ICT, found another one or none",
                          name_of(DCM_PhotometricInterpretation)));
}

}  // namespace

double ImageModule::least() const { return is_signed ? -std::ldexp(1.0, static_cast<int>(bits_stored) - 1) : 0.0; }

double ImageModule::most() const {
  return std::ldexp(1.0, static_cast<int>(is_signed ? bits_stored - 1 : bits_stored)) - 1.0;
}

Result<ImageModule> read_image_module(DcmItem& dataset) {
  ImageModule module;
  CONSILIUM_ASSIGN(module.rows, read_integer(dataset, DCM_Rows, 1, kMaxSide, 0));
  CONSILIUM_ASSIGN(module.columns, read_integer(dataset, DCM_Columns, 1, kMaxSide, 0));
  if (module.rows == 0 || module.columns == 0) {
    return fail(ErrorCode::kInvalidArgument,
                "the DICOM file holds no image (no Rows and Columns): reports, plans and structure sets have none");
  }
  CONSILIUM_ASSIGN(module.frames, read_integer(dataset, DCM_NumberOfFrames, 1, kMaxFrames, 1));
  CONSILIUM_ASSIGN(module.samples, read_integer(dataset, DCM_SamplesPerPixel, 1, 3, 1));
  CONSILIUM_ASSIGN(module.bits_allocated, read_integer(dataset, DCM_BitsAllocated, 1, 64, 0));
  CONSILIUM_ASSIGN(module.bits_stored,
                   read_integer(dataset, DCM_BitsStored, 1, module.bits_allocated, module.bits_allocated));
  CONSILIUM_ASSIGN(module.high_bit, read_integer(dataset, DCM_HighBit, module.bits_stored - 1,
                                                 module.bits_allocated - 1, module.bits_stored - 1));
  CONSILIUM_ASSIGN(const std::int64_t representation, read_integer(dataset, DCM_PixelRepresentation, 0, 1, 0));
  CONSILIUM_ASSIGN(const std::int64_t planar, read_integer(dataset, DCM_PlanarConfiguration, 0, 1, 0));
  CONSILIUM_ASSIGN(module.photometric, photometric_of(dataset, module.samples));
  module.is_signed = representation == 1;
  module.planar = module.samples > 1 && planar == 1;
  const std::int64_t bits = module.bits_allocated;
  if (bits != 8 && bits != 16 && bits != 32 && !(bits == 1 && module.samples == 1)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("DICOM {}: expected 1, 8, 16 or 32, found {}", name_of(DCM_BitsAllocated), bits));
  }
  return module;
}

}  // namespace consilium::decode
