#include "client/trainer/decode/dicom/dicom_image.h"

#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcdict.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <dcmtk/oflog/oflog.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "client/trainer/decode/dicom/dicom_file.h"
#include "client/trainer/decode/dicom/frames.h"
#include "client/trainer/decode/dicom/geometry.h"
#include "client/trainer/decode/dicom/lookup_table.h"
#include "client/trainer/decode/dicom/rescale.h"
#include "client/trainer/decode/dicom/segmentation.h"
#include "client/trainer/decode/dicom/source.h"
#include "client/trainer/decode/pixel_values.h"

namespace consilium::decode {

namespace {

Result<data::ImageTags> read_tags(DcmItem& dataset) {
  data::ImageTags tags;
  CONSILIUM_ASSIGN(tags.patient_id, read_text(dataset, DCM_PatientID));
  CONSILIUM_ASSIGN(tags.study_uid, read_text(dataset, DCM_StudyInstanceUID));
  CONSILIUM_ASSIGN(tags.series_uid, read_text(dataset, DCM_SeriesInstanceUID));
  CONSILIUM_ASSIGN(tags.sop_uid, read_text(dataset, DCM_SOPInstanceUID));
  CONSILIUM_ASSIGN(tags.modality, read_text(dataset, DCM_Modality));
  return tags;
}

Result<Rescale> read_rescale(DcmItem& item) {
  Rescale rescale;
  CONSILIUM_ASSIGN(const auto slope, read_number(item, DCM_RescaleSlope));
  CONSILIUM_ASSIGN(const auto intercept, read_number(item, DCM_RescaleIntercept));
  rescale.slope = slope.value_or(1.0);
  rescale.intercept = intercept.value_or(0.0);
  if (rescale.slope == 0.0) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("DICOM {}: expected another number than 0", name_of(DCM_RescaleSlope)));
  }
  return rescale;
}

Result<Modality> read_modality(DcmItem& dataset, const FrameItems& items, const ImageModule& module) {
  Modality modality;
  modality.inverted = module.photometric == Photometric::kMonochrome1;
  if (DcmItem* table = first_item(&dataset, DCM_ModalityLUTSequence); table != nullptr) {
    CONSILIUM_ASSIGN(modality.table, read_lookup_table(*table, DCM_LUTDescriptor, DCM_LUTData));
    return modality;
  }
  CONSILIUM_ASSIGN(const auto dose, read_number(dataset, DCM_DoseGridScaling));
  if (dose) {
    modality.frames = {Rescale{*dose, 0.0}};
    return modality;
  }
  modality.frames.clear();
  const std::size_t described = std::clamp<std::size_t>(items.count(), 1, static_cast<std::size_t>(module.frames));
  for (std::size_t frame = 0; frame < described; ++frame) {
    CONSILIUM_ASSIGN(const Rescale rescale, read_rescale(items.find(frame, DCM_PixelValueTransformationSequence)));
    modality.frames.push_back(rescale);
  }
  modality.frames.resize(static_cast<std::size_t>(module.frames), modality.frames.back());
  if (std::ranges::all_of(modality.frames, [&](const Rescale& one) { return one == modality.frames.front(); })) {
    modality.frames.resize(1);
  }
  return modality;
}

/// Reads the range of values to display, as the file states it (PS3.3 C.11.2.1.2), for its first frame and first
/// alternative.
Result<std::optional<std::array<double, 2>>> read_window(const FrameItems& items, const Modality& modality,
                                                         const ImageModule& module) {
  constexpr std::size_t kMaxAlternatives = 64;
  DcmItem& item = items.find(0, DCM_FrameVOILUTSequence);
  CONSILIUM_ASSIGN(const std::vector<double> centres, read_numbers(item, DCM_WindowCenter, kMaxAlternatives));
  CONSILIUM_ASSIGN(const std::vector<double> widths, read_numbers(item, DCM_WindowWidth, kMaxAlternatives));
  if (centres.empty() || widths.empty() || widths.front() < 1.0) return std::optional<std::array<double, 2>>();
  const double half = (widths.front() - 1.0) / 2.0;
  std::array<double, 2> window{centres.front() - 0.5 - half, centres.front() - 0.5 + half};
  if (modality.inverted && !modality.table) {  // mirrored to the range of the inverted values
    const Rescale& rescale = modality.frames.front();
    const double mirror = rescale.slope * (module.least() + module.most()) + 2.0 * rescale.intercept;
    window = {mirror - window[1], mirror - window[0]};
  }
  return std::optional(window);
}

/// Replaces the indices into a palette by their colours: [1, ...] becomes [3, ...].
Result<data::Pixels> look_up(DcmItem& dataset, const data::Pixels& indices, const data::DecodeOptions& options) {
  CONSILIUM_ASSIGN(const LookupTable red, read_lookup_table(dataset, DCM_RedPaletteColorLookupTableDescriptor,
                                                            DCM_RedPaletteColorLookupTableData));
  CONSILIUM_ASSIGN(const LookupTable green, read_lookup_table(dataset, DCM_GreenPaletteColorLookupTableDescriptor,
                                                              DCM_GreenPaletteColorLookupTableData));
  CONSILIUM_ASSIGN(const LookupTable blue, read_lookup_table(dataset, DCM_BluePaletteColorLookupTableDescriptor,
                                                             DCM_BluePaletteColorLookupTableData));
  const Element element = red.bits == 8 ? Element::kUint8 : Element::kUint16;
  const std::size_t count = count_of(indices);
  CONSILIUM_ASSIGN(const std::size_t total,
                   checked_count({3, 1, static_cast<std::int64_t>(count)}, bytes_of(element), options));
  data::Pixels colours = make_pixels(element, total);
  std::visit(
      [&](auto& values, const auto& stored) {
        using Value = typename std::decay_t<decltype(values)>::value_type;
        auto next = values.begin();
        for (const LookupTable* table : {&red, &green, &blue}) {
          for (const auto index : stored) *next++ = static_cast<Value>((*table)(static_cast<std::int64_t>(index)));
        }
      },
      colours, indices);
  return colours;
}

Result<data::Pixels> read_pixels(DicomFile& file, const ImageModule& module, const Modality& modality,
                                 const std::vector<std::size_t>& order, const data::DecodeOptions& options) {
  CONSILIUM_ASSIGN(Frames frames, read_frames(file, module, options));
  const bool coloured = frames.module.samples == 3 && frames.module.photometric != Photometric::kRgb;
  if (coloured && !options.labels) CONSILIUM_TRY(turn_into_rgb(frames));
  CONSILIUM_ASSIGN(data::Pixels pixels, rescaled(frames, modality, order, options));
  if (module.photometric != Photometric::kPalette || options.labels) return pixels;
  return look_up(file.dataset(), pixels, options);
}

Result<data::DecodedImage> decode_image(DicomFile& file, const ImageModule& module,
                                        const data::DecodeOptions& options) {
  DcmDataset& dataset = file.dataset();
  const FrameItems items(dataset);
  CONSILIUM_ASSIGN(const std::vector<FramePlane> planes, read_planes(dataset, items, module));
  std::vector<std::size_t> order(planes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (const auto sorted = order_along_normal(planes)) order = *sorted;
  std::vector<FramePlane> ordered;
  for (const std::size_t frame : order) ordered.push_back(planes[frame]);
  data::DecodedImage image;
  const bool coloured = module.photometric == Photometric::kPalette && !options.labels;
  image.shape = {coloured ? 3 : module.samples, module.rows, module.columns};
  if (module.frames > 1) image.shape.insert(image.shape.begin() + 1, module.frames);
  CONSILIUM_ASSIGN([[maybe_unused]] const std::size_t count, checked_count(image.shape, 1, options));
  place_image(ordered, image);
  if (options.origin) {
    CONSILIUM_ASSIGN(image.origin, read_source(dataset, planes, order));
  }
  Modality modality;
  if (module.samples == 1 && module.photometric != Photometric::kPalette && !options.labels) {
    CONSILIUM_ASSIGN(modality, read_modality(dataset, items, module));
    CONSILIUM_ASSIGN(image.window, read_window(items, modality, module));
  }
  if (options.header_only) return image;
  CONSILIUM_ASSIGN(image.pixels, read_pixels(file, module, modality, order, options));
  return image;
}

}  // namespace

Result<data::DecodedImage> decode_dicom(Bytes bytes, const data::DecodeOptions& options) {
  CONSILIUM_ASSIGN(DicomFile file, DicomFile::parse(bytes, options.header_only));
  DcmDataset& dataset = file.dataset();
  CONSILIUM_ASSIGN(const ImageModule module, read_image_module(dataset));
  auto image =
      is_segmentation(dataset) ? decode_segmentation(file, module, options) : decode_image(file, module, options);
  if (!image) return image;
  CONSILIUM_ASSIGN(image->tags, read_tags(dataset));
  return image;
}

Result<void> set_up_dicom() {
  OFLog::configure(OFLogger::OFF_LOG_LEVEL);
  if (!dcmDataDict.isDictionaryLoaded()) {
    return fail(ErrorCode::kNotFound,
                "DCMTK's data dictionary is missing: install Debian's libdcmtk package, or name its dicom.dic in the "
                "environment variable DCMDICTPATH");
  }
  dcmEnableUnknownVRConversion.set(OFTrue);  // for attributes that the writer didn't know but the dictionary does
  DJDecoderRegistration::registerCodecs(EDC_photometricInterpretation, EUC_never, EPC_colorByPixel);
  DJLSDecoderRegistration::registerCodecs(EJLSUC_never, EJLSPC_colorByPixel);
  DcmRLEDecoderRegistration::registerCodecs();
  return {};
}

}  // namespace consilium::decode
