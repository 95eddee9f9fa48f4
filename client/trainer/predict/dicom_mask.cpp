#include "client/trainer/predict/dicom_mask.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcdict.h>
#include <dcmtk/dcmdata/dcfilefo.h>
#include <dcmtk/dcmdata/dcostrmb.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <dcmtk/dcmfg/fgderimg.h>
#include <dcmtk/dcmfg/fgfracon.h>
#include <dcmtk/dcmfg/fgpixmsr.h>
#include <dcmtk/dcmfg/fgplanor.h>
#include <dcmtk/dcmfg/fgplanpo.h>
#include <dcmtk/dcmiod/iodmacro.h>
#include <dcmtk/dcmseg/segdoc.h>
#include <dcmtk/dcmseg/segment.h>
#include <dcmtk/oflog/oflog.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "client/trainer/predict/source_uids.h"
#include "common/crypto/sha256.h"
#include "common/job/job_text.h"

namespace consilium::predict {
namespace {

using data::DicomSource;

constexpr std::uint32_t kSopClass = 0x00080016, kSopInstance = 0x00080018, kStudy = 0x0020000D, kSeries = 0x0020000E,
                        kFrameOfReference = 0x00200052, kSliceThickness = 0x00180050, kLossy = 0x00282110,
                        kLossyRatio = 0x00282112, kLossyMethod = 0x00282114;
constexpr std::int64_t kMostRows = 65535;
/// The maximum lengths of DICOM's LO and DS (PS3.5, 6.2).
constexpr std::size_t kMostText = 64;
constexpr std::size_t kMostNumber = 16;

DcmTagKey key_of(std::uint32_t tag) { return {static_cast<Uint16>(tag >> 16U), static_cast<Uint16>(tag & 0xFFFFU)}; }

/// Converts a DCMTK status to an error.
Result<void> done(const OFCondition& condition, std::string_view doing) {
  if (condition.good()) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("a DICOM segmentation can't be made of it: {}: {}", doing, condition.text()));
}

std::string number(double value) {
  for (int digits = 12; digits > 1; --digits) {
    std::string text = fmt::format("{:.{}g}", value, digits);
    if (text.size() <= kMostNumber) return text;
  }
  return "0";
}

/// Returns a text for DICOM's LO: without the separator of values, and truncated at a character boundary.
OFString short_text(std::string text) {
  std::replace(text.begin(), text.end(), '\\', '/');
  std::size_t most = std::min(text.size(), kMostText);
  while (most > 0 && most < text.size() && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80U) --most;
  return OFString(text.c_str(), most);
}

/// Builds the segmentation of one image.
class Segmentation {
 public:
  Segmentation(const ResultContext& context, const Image& image, std::span<const std::uint8_t> classes)
      : context_(context),
        source_(std::get<DicomSource>(*image.header.origin)),
        sides_(image.pixels.sides),
        spacing_(image.header.spacing),
        has_spacing_(image.header.has_spacing),
        classes_(classes) {
    for (auto& [tag, text] : source_.attributes) {
      if (DcmTag(key_of(tag)).getEVR() == EVR_UI) text = uids_.lawful(text);
    }
    for (DicomSource::Frame& frame : source_.frames) frame.instance = uids_.lawful(frame.instance);
  }

  Result<std::string> write() {
    CONSILIUM_TRY(check());
    CONSILIUM_TRY(begin());
    CONSILIUM_TRY(add_segments());
    CONSILIUM_TRY(add_shared());
    CONSILIUM_TRY(add_frames());
    CONSILIUM_TRY(add_references());
    return bytes();
  }

 private:
  [[nodiscard]] std::string attribute(std::uint32_t tag) const {
    const auto found = source_.attributes.find(tag);
    return found == source_.attributes.end() ? std::string() : found->second;
  }
  [[nodiscard]] std::string instance_of(const DicomSource::Frame& frame) const {
    return frame.instance.empty() ? attribute(kSopInstance) : frame.instance;
  }
  [[nodiscard]] bool is_series() const { return !source_.frames.front().instance.empty(); }
  [[nodiscard]] std::size_t plane() const {
    return static_cast<std::size_t>(sides_[1]) * static_cast<std::size_t>(sides_[2]);
  }

  Result<void> check() {
    for (const auto& [tag, name] : {std::pair{kSopClass, "SOPClassUID"}, std::pair{kSopInstance, "SOPInstanceUID"},
                                    std::pair{kStudy, "StudyInstanceUID"}, std::pair{kSeries, "SeriesInstanceUID"}}) {
      if (attribute(tag).empty())
        return refuse(fmt::format("a DICOM segmentation can't be made of it: it has no {}", name));
    }
    if (sides_[1] > kMostRows || sides_[2] > kMostRows || std::cmp_not_equal(source_.frames.size(), sides_[0]))
      return refuse(
          "a DICOM segmentation can't be made of it: it has too many rows or columns, or another number of frames than "
          "the mask");
    placed_ =
        source_.orientation && has_spacing_ && !attribute(kFrameOfReference).empty() &&
        std::ranges::all_of(source_.frames, [](const DicomSource::Frame& one) { return one.position.has_value(); });
    return {};
  }

  Result<void> begin() {
    const job::JobSpec& job = context_.model->spec;
    const std::string model = crypto::to_hex(crypto::sha256(std::as_bytes(std::span(context_.model->model))));
    const IODGeneralEquipmentModule::EquipmentInfo equipment("Consilium", "consilium-trainer", short_text(model),
                                                             short_text(context_.software));
    ContentIdentificationMacro content("1", "SEGMENTATION", short_text("Consilium, job " + job.name + ", for research"),
                                       "");
    DcmSegmentation* made = nullptr;
    CONSILIUM_TRY(done(DcmSegmentation::createBinarySegmentation(made, static_cast<Uint16>(sides_[1]),
                                                                 static_cast<Uint16>(sides_[2]), equipment, content),
                       "creating it"));
    segmentation_.reset(made);
    DcmDataset told;
    told.putAndInsertString(DCM_SpecificCharacterSet, "ISO_IR 192");  // UTF-8
    for (const auto& [tag, text] : source_.attributes) {
      CONSILIUM_TRY(done(told.putAndInsertString(key_of(tag), text.c_str()), "taking over its attributes"));
    }
    if (!placed_) {  // it has no frame of reference, which DCMTK would require
      for (const DcmTagKey& key : {DCM_FrameOfReferenceUID, DCM_PositionReferenceIndicator}) {
        told.findAndDeleteElement(key);
        segmentation_->getRules()->deleteRule(key);
      }
    }
    CONSILIUM_TRY(done(segmentation_->importFromSourceImage(told), "taking over patient and study"));
    if (attribute(kLossy) == "01")
      CONSILIUM_TRY(done(segmentation_->setLossyImageCompressionFlag(attribute(kLossyRatio).c_str(),
                                                                     attribute(kLossyMethod).c_str(), OFFalse),
                         "taking over its compression"));
    segmentation_->getSeries().setSeriesNumber("1");
    segmentation_->getSeries().setSeriesDescription(short_text("Segmentation by Consilium, for research"));
    segmentation_->setCheckFGOnWrite(placed_);
    return {};
  }

  Result<void> add_segments() {
    const job::JobSpec& job = context_.model->spec;
    const OFString algorithm = short_text(fmt::format("{} ({:.16})", job.name, crypto::to_hex(job::job_digest(job))));
    // The job states nothing about its classes besides their names.
    const CodeSequenceMacro tissue("85756007", "SCT", "Tissue");
    for (std::size_t c = 1; c < context_.choice->classes.size(); ++c) {
      DcmSegment* segment = nullptr;
      CONSILIUM_TRY(done(DcmSegment::create(segment, short_text(context_.choice->classes[c]), tissue, tissue,
                                            DcmSegTypes::SAT_AUTOMATIC, algorithm),
                         "a segment"));
      Uint16 given = 0;
      CONSILIUM_TRY(done(segmentation_->addSegment(segment, given), "a segment"));
    }
    return {};
  }

  Result<void> add_shared() {
    const std::string uid = new_uid();
    IODMultiframeDimensionModule& dimensions = segmentation_->getDimensions();
    CONSILIUM_TRY(done(dimensions.addDimensionIndex(DCM_ReferencedSegmentNumber, uid.c_str(),
                                                    DCM_SegmentIdentificationSequence, "Segment"),
                       "its dimensions"));
    if (!placed_) return {};
    CONSILIUM_TRY(
        done(dimensions.addDimensionIndex(DCM_ImagePositionPatient, uid.c_str(), DCM_PlanePositionSequence, "Position"),
             "its dimensions"));
    const auto& axes = *source_.orientation;
    const std::unique_ptr<FGPlaneOrientationPatient> orientation(FGPlaneOrientationPatient::createMinimal(
        number(axes[0]).c_str(), number(axes[1]).c_str(), number(axes[2]).c_str(), number(axes[3]).c_str(),
        number(axes[4]).c_str(), number(axes[5]).c_str()));
    if (orientation == nullptr) return refuse("a DICOM segmentation can't be made of it: its orientation");
    CONSILIUM_TRY(done(segmentation_->addForAllFrames(*orientation), "its orientation"));
    FGPixelMeasures measures;
    CONSILIUM_TRY(
        done(measures.setPixelSpacing((number(spacing_[1]) + "\\" + number(spacing_[2])).c_str()), "spacing"));
    const std::string thickness = attribute(kSliceThickness);
    CONSILIUM_TRY(done(measures.setSliceThickness(thickness.empty() ? number(spacing_[0]).c_str() : thickness.c_str()),
                       "slice thickness"));
    if (sides_[0] > 1) CONSILIUM_TRY(done(measures.setSpacingBetweenSlices(number(spacing_[0]).c_str()), "spacing"));
    return done(segmentation_->addForAllFrames(measures), "its spacing");
  }

  /// Fills one frame's pixels, and returns true if any of them belongs to the segment.
  bool fill(std::vector<Uint8>& pixels, std::size_t segment, std::size_t depth) const {
    const auto first = classes_.begin() + static_cast<std::ptrdiff_t>(depth * plane());
    std::transform(first, first + static_cast<std::ptrdiff_t>(plane()), pixels.begin(),
                   [&](std::uint8_t one) { return static_cast<Uint8>(one == segment ? 1 : 0); });
    return std::ranges::find(pixels, Uint8{1}) != pixels.end();
  }

  /// Adds the frames that aren't empty. DCMTK requires a frame for each segment, so a segment without pixels gets an
  /// empty one at the position of the first foreground voxel.
  Result<void> add_frames() {
    std::vector<Uint8> pixels(plane());
    const auto found = std::ranges::find_if(classes_, [](std::uint8_t one) { return one != 0; });
    const auto first = static_cast<std::size_t>(found == classes_.end() ? 0 : found - classes_.begin()) / plane();
    for (std::size_t segment = 1; segment < context_.choice->classes.size(); ++segment) {
      bool any = false;
      for (std::size_t depth = 0; depth < source_.frames.size(); ++depth) {
        if (!fill(pixels, segment, depth)) continue;
        any = true;
        CONSILIUM_TRY(add_frame(pixels, segment, depth));
      }
      std::ranges::fill(pixels, Uint8{0});
      if (!any) CONSILIUM_TRY(add_frame(pixels, segment, first));
    }
    return {};
  }

  Result<void> add_frame(std::vector<Uint8>& pixels, std::size_t segment, std::size_t depth) {
    const DicomSource::Frame& frame = source_.frames[depth];
    FGFrameContent content;
    CONSILIUM_TRY(done(content.setDimensionIndexValues(static_cast<Uint32>(segment), 0), "a frame's place"));
    CONSILIUM_ASSIGN(const std::unique_ptr<FGDerivationImage> derivation, derivation_of(frame));
    OFVector<FGBase*> groups;
    groups.push_back(&content);
    groups.push_back(derivation.get());
    std::unique_ptr<FGPlanePosPatient> position;
    if (placed_) {
      const auto& place = *frame.position;
      position.reset(FGPlanePosPatient::createMinimal(number(place[0]).c_str(), number(place[1]).c_str(),
                                                      number(place[2]).c_str()));
      if (position == nullptr) return refuse("a DICOM segmentation can't be made of it: a frame's position");
      CONSILIUM_TRY(done(content.setDimensionIndexValues(static_cast<Uint32>(depth + 1), 1), "a frame's place"));
      groups.push_back(position.get());
    }
    return done(segmentation_->addFrame(pixels.data(), static_cast<Uint16>(segment), groups), "a frame");
  }

  /// Returns a reference to the instance, and the frame in it, that a frame was made from.
  Result<std::unique_ptr<FGDerivationImage>> derivation_of(const DicomSource::Frame& frame) const {
    ImageSOPInstanceReferenceMacro* made = nullptr;
    CONSILIUM_TRY(
        done(ImageSOPInstanceReferenceMacro::create(attribute(kSopClass).c_str(), instance_of(frame).c_str(), made),
             "a reference"));
    const std::unique_ptr<ImageSOPInstanceReferenceMacro> reference(made);
    if (!is_series() && source_.frames.size() > 1)
      CONSILIUM_TRY(done(reference->addReferencedFrameNumber(static_cast<Uint16>(frame.number)), "a reference"));
    OFVector<ImageSOPInstanceReferenceMacro> references;
    references.push_back(*reference);
    std::unique_ptr<FGDerivationImage> derivation(DcmSegmentation::createDerivationImageFG(references, "Segmentation"));
    if (derivation == nullptr) return refuse("a DICOM segmentation can't be made of it: a reference");
    return derivation;
  }

  /// Lists the instances that the segmentation was made from.
  Result<void> add_references() {
    auto series = std::make_unique<IODSeriesAndInstanceReferenceMacro::ReferencedSeriesItem>();
    CONSILIUM_TRY(done(series->setSeriesInstanceUID(attribute(kSeries).c_str(), OFFalse), "a reference"));
    std::string last;
    for (const DicomSource::Frame& frame : source_.frames) {
      const std::string instance = instance_of(frame);
      if (instance == std::exchange(last, instance)) continue;
      CONSILIUM_TRY(done(series->addReference(attribute(kSopClass).c_str(), instance.c_str()), "a reference"));
    }
    segmentation_->getCommonInstanceReference().getReferencedSeriesItems().push_back(series.release());
    return {};
  }

  Result<std::string> bytes() {
    constexpr std::size_t kPart = 1 << 16;
    DcmFileFormat file;
    CONSILIUM_TRY(done(segmentation_->writeDataset(*file.getDataset()), "writing it"));
    uids_.restore(*file.getDataset());
    if (!placed_) file.getDataset()->insertEmptyElement(DCM_PatientOrientation);  // type 2C without a position
    std::vector<char> part(kPart);
    DcmOutputBufferStream stream(part.data(), static_cast<offile_off_t>(part.size()));
    std::string text;
    file.transferInit();
    OFCondition state = EC_StreamNotifyClient;
    while (state == EC_StreamNotifyClient) {
      state = file.write(stream, EXS_LittleEndianExplicit, EET_ExplicitLength, nullptr);
      void* written = nullptr;
      offile_off_t size = 0;
      stream.flushBuffer(written, size);
      text.append(static_cast<const char*>(written), static_cast<std::size_t>(size));
    }
    file.transferEnd();
    CONSILIUM_TRY(done(state, "writing it"));
    return text;
  }

  const ResultContext& context_;
  DicomSource source_;  ///< with valid UIDs
  SourceUids uids_;
  data::Sides sides_;
  std::array<double, 3> spacing_;
  bool has_spacing_;
  std::span<const std::uint8_t> classes_;
  bool placed_ = false;  ///< frames have a position in the patient
  std::unique_ptr<DcmSegmentation> segmentation_;
};

}  // namespace

Result<std::string> dicom_mask(const ResultContext& context, const Image& image,
                               std::span<const std::uint8_t> classes) {
  OFLog::configure(OFLogger::OFF_LOG_LEVEL);
  if (!dcmDataDict.isDictionaryLoaded())
    return fail(ErrorCode::kFailedPrecondition,
                "DCMTK's data dictionary is missing: install Debian's libdcmtk package, or name its dicom.dic in the "
                "environment variable DCMDICTPATH");
  return Segmentation(context, image, classes).write();
}

}  // namespace consilium::predict
