#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcfilefo.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmseg/segdoc.h>
#include <dcmtk/dcmseg/segment.h>
#include <nifti1.h>
#include <nifti2.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>

#include "client/trainer/data/picture.h"
#include "client/trainer/decode/decode_file.h"
#include "client/trainer/predict/dicom_mask.h"
#include "client/trainer/predict/nifti_mask.h"
#include "tests/catch.h"

namespace consilium::predict {
namespace {

using data::DicomSource;
using data::NiftiSpace;

decode::Bytes view(const std::string& bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

/// Returns a file of 5 x 3 x 2 voxels whose axes i, j and k run to the feet, to the left and to the front.
NiftiSpace turned_space() {
  NiftiSpace space;
  space.size = {5, 3, 2};
  space.world_axis = {2, 0, 1};
  space.reversed = {true, true, false};
  space.sform_code = 1;
  space.units = NIFTI_UNITS_MM;
  space.pixdim = {1.0, 2.5, 0.75, 1.25};
  space.sform = {0, -0.75, 0, 11, 0, 0, 1.25, -7, -2.5, 0, 0, 3};
  return space;
}

/// Returns the decoded image of such a file: width is left to right (3), height back to front (2), depth feet to head
/// (5).
data::DecodedImage turned_image(const NiftiSpace& space) {
  data::DecodedImage image;
  image.shape = {1, 5, 2, 3};
  image.origin = space;
  return image;
}

const data::Sides kTurned{5, 2, 3};

std::vector<std::uint8_t> counted(std::size_t count) {
  std::vector<std::uint8_t> classes(count);
  std::iota(classes.begin(), classes.end(), std::uint8_t{0});
  return classes;
}

/// A segmentation model with three classes, and the folder of its predictions.
struct Models {
  Models() {
    model.spec.name = "liver";
    model.spec.task = task::default_task(task::TaskKind::kSegmentation);
    model.model = {1.0F};
    context.model = &model;
    context.choice = &choice;
    context.software = "consilium-trainer test";
  }
  report::ResultFolder model;
  PreparationChoice choice{.preparation = data::Preparation::create({}, {1, 4, 4, 4}).value(),
                           .scale = {},
                           .classes = {"background", "liver", "tumour\\<b>"},
                           .in_words = {}};
  ResultContext context;
};

/// Returns an image of frames of 3 rows and 4 columns, 2 mm apart along an oblique normal.
Image dicom_image(std::size_t frames, bool series) {
  DicomSource source;
  source.attributes = {{0x00080016, "1.2.840.10008.5.1.4.1.1.2"},
                       {0x00080018, "1.2.3.100"},
                       {0x00100010, "M\u00fcller^Anna"},
                       {0x00100020, "P7"},
                       {0x0020000D, "1.2.3.1"},
                       {0x0020000E, "1.2.3.2"},
                       {0x00200052, "1.2.3.3"}};
  source.orientation = {1, 0, 0, 0, 0.8, 0.6};
  for (std::size_t i = 0; i < frames; ++i) {
    const auto along = 2.0 * static_cast<double>(i);
    DicomSource::Frame frame{
        static_cast<std::uint32_t>(frames - i), std::array{10.0, 5.0 - 0.6 * along, 0.8 * along}, {}};
    if (series) frame = {1, frame.position, "1.2.3.10" + std::to_string(i)};
    source.frames.push_back(frame);
  }
  Image image;
  image.header.origin = source;
  image.header.has_spacing = true;
  image.header.spacing = {2.0, 0.5, 0.25};
  image.pixels.sides = {static_cast<std::int64_t>(frames), 3, 4};
  image.pixels.flat = frames == 1;
  return image;
}

/// Writes a segmentation, or fails the test with the reason.
std::string segmentation_of(const Models& models, const Image& image, const std::vector<std::uint8_t>& classes) {
  const auto written = dicom_mask(models.context, image, classes);
  if (!written) FAIL(written.error().message);
  return *written;
}

std::unique_ptr<DcmSegmentation> read_segmentation(const std::string& bytes, DcmFileFormat& file) {
  DcmInputBufferStream stream;
  stream.setBuffer(bytes.data(), static_cast<offile_off_t>(bytes.size()));
  stream.setEos();
  file.transferInit();
  REQUIRE(file.read(stream).good());
  file.transferEnd();
  DcmSegmentation* read = nullptr;
  REQUIRE(DcmSegmentation::loadDataset(*file.getDataset(), read).good());
  return std::unique_ptr<DcmSegmentation>(read);
}

std::string text_at(DcmItem& item, const DcmTagKey& key) {
  OFString text;
  item.findAndGetOFString(key, text);
  return text.c_str();
}

}  // namespace

TEST_CASE("a NIfTI mask has its image's axes, and reads as it was given") {
  NiftiSpace space = turned_space();
  space.version = GENERATE(1U, 2U);
  CAPTURE(space.version);
  const std::vector<std::uint8_t> classes = counted(30);
  const std::string file = nifti_mask(turned_image(space), kTurned, classes);
  const data::DecodedImage read = decode::decode_file(view(file), {.labels = true, .origin = true}).value();
  CHECK(read.shape == std::vector<std::int64_t>{1, 5, 2, 3});
  CHECK(std::get<std::vector<std::uint8_t>>(read.pixels) == classes);
  CHECK(std::get<NiftiSpace>(read.origin.value()) == space);
  // Voxel (1, 0, 0) of the file is one step nearer to the feet than voxel (0, 0, 0), which is at the head, on the
  // right.
  const std::size_t begin = file.size() - classes.size();
  CHECK(static_cast<std::uint8_t>(file[begin]) == classes[4 * 6 + 0 * 3 + 2]);
  CHECK(static_cast<std::uint8_t>(file[begin + 1]) == classes[3 * 6 + 0 * 3 + 2]);
}

TEST_CASE("a quaternion and its code are kept") {
  NiftiSpace space = turned_space();
  space.sform_code = 0;
  space.sform = {};
  space.world_axis = {0, 1, 2};
  space.reversed = {true, true, false};
  space.size = {3, 2, 5};
  space.qform_code = 1;
  space.quaternion = {0.0, 0.0, 1.0, 90.0, 126.0, -72.0};  // half a turn around the axis from feet to head
  const std::string file = nifti_mask(turned_image(space), kTurned, counted(30));
  const data::DecodedImage read = decode::decode_file(view(file), {.labels = true, .origin = true}).value();
  CHECK(std::get<NiftiSpace>(read.origin.value()).quaternion == space.quaternion);
  CHECK(std::get<std::vector<std::uint8_t>>(read.pixels) == counted(30));
}

TEST_CASE("a volume of another format gets a NIfTI mask with its spacing") {
  data::DecodedImage image;
  image.shape = {1, 5, 2, 3};
  image.origin = data::PlainFile{};
  image.spacing = {4.0, 0.5, 0.25};
  image.has_spacing = true;
  const std::string file = nifti_mask(image, kTurned, counted(30));
  nifti_1_header header{};
  std::memcpy(&header, file.data(), sizeof header);
  CHECK(header.dim[1] == 3);
  CHECK(header.dim[3] == 5);
  CHECK(header.pixdim[1] == 0.25F);
  CHECK(header.pixdim[3] == 4.0F);
  CHECK(static_cast<std::uint8_t>(file.back()) == 29);
}

TEST_CASE("gzip holds what was put in") {
  const std::string bytes = nifti_mask(turned_image(turned_space()), kTurned, counted(30));
  const std::string packed = gzipped(bytes).value();
  CHECK(decode::decode_file(view(packed), {.labels = true}).value().shape == std::vector<std::int64_t>{1, 5, 2, 3});
}

TEST_CASE("a picture's mask holds the classes as the numbers of its palette") {
  const std::string file = data::to_png(counted(30), 6, 5).value();
  const data::DecodedImage read = decode::decode_file(view(file), {.labels = true}).value();
  CHECK(read.shape == std::vector<std::int64_t>{1, 5, 6});
  CHECK(std::get<std::vector<std::uint8_t>>(read.pixels) == counted(30));
  const data::DecodedImage shown = decode::decode_file(view(file), {}).value();
  const auto& colours = std::get<std::vector<std::uint8_t>>(shown.pixels);
  CHECK((colours[0] == 0 && colours[30] == 0 && colours[60] == 0));
  CHECK((colours[1] == 255 && colours[31] == 64));
}

TEST_CASE("a DICOM segmentation of a series reads back as the classes, slice by slice") {
  REQUIRE(decode::set_up_libraries());
  const Models models;
  const Image image = dicom_image(4, true);
  std::vector<std::uint8_t> classes(48, 0);
  classes[12 + 5] = 1;  // in the second slice
  classes[12 + 6] = 2;
  classes[24 + 11] = 1;  // in the third
  const std::string bytes = segmentation_of(models, image, classes);
  const data::DecodedImage read = decode::decode_file(view(bytes), {.labels = true}).value();
  REQUIRE(read.shape == std::vector<std::int64_t>{1, 2, 3, 4});  // the slices that contain class voxels
  const auto& labels = std::get<std::vector<std::uint8_t>>(read.pixels);
  CHECK(std::equal(labels.begin(), labels.end(), classes.begin() + 12));
  CHECK(read.spacing == std::array{2.0, 0.5, 0.25});
  CHECK(read.affine[3] == Approx(-10.0));         // x to the right
  CHECK(read.affine[7] == Approx(-(5.0 - 1.2)));  // y to the front, of the second slice
  CHECK(read.affine[11] == Approx(1.6));
}

TEST_CASE("a DICOM segmentation names what it was made of and by what") {
  REQUIRE(decode::set_up_libraries());
  const Models models;
  std::vector<std::uint8_t> classes(48, 0);
  classes[24 + 11] = 2;
  DcmFileFormat file;
  const auto read = read_segmentation(segmentation_of(models, dicom_image(4, true), classes), file);
  DcmItem& dataset = *file.getDataset();
  CHECK(text_at(dataset, DCM_Modality) == "SEG");
  CHECK(text_at(dataset, DCM_SegmentationType) == "BINARY");
  CHECK(text_at(dataset, DCM_StudyInstanceUID) == "1.2.3.1");
  CHECK(text_at(dataset, DCM_FrameOfReferenceUID) == "1.2.3.3");
  CHECK(text_at(dataset, DCM_PatientID) == "P7");
  CHECK(text_at(dataset, DCM_PatientName) == "M\u00fcller^Anna");
  CHECK(text_at(dataset, DCM_SpecificCharacterSet) == "ISO_IR 192");
  CHECK(text_at(dataset, DCM_SeriesInstanceUID) != "1.2.3.2");
  CHECK(read->getNumberOfSegments() == 2);
  CHECK(read->getNumberOfFrames() == 2);  // the first segment's is empty
  OFString label, algorithm;
  read->getSegment(2)->getSegmentLabel(label);
  read->getSegment(2)->getSegmentAlgorithmName(algorithm);
  CHECK(std::string(label.c_str()) == "tumour/<b>");
  CHECK(std::string(algorithm.c_str()).starts_with("liver ("));
  DcmItem* frame = nullptr;
  DcmSequenceOfItems* found = nullptr;
  REQUIRE(dataset.findAndGetSequence(DCM_SourceImageSequence, found, OFTrue).good());
  CHECK(text_at(*found->getItem(0), DCM_ReferencedSOPInstanceUID) == "1.2.3.102");
  REQUIRE(dataset.findAndGetSequenceItem(DCM_ReferencedSeriesSequence, frame, 0).good());
  CHECK(text_at(*frame, DCM_SeriesInstanceUID) == "1.2.3.2");
  DcmSequenceOfItems* instances = nullptr;
  REQUIRE(frame->findAndGetSequence(DCM_ReferencedInstanceSequence, instances).good());
  CHECK(instances->card() == 4);
}

TEST_CASE("a segmentation of a file of several frames names the frame") {
  REQUIRE(decode::set_up_libraries());
  const Models models;
  std::vector<std::uint8_t> classes(36, 0);
  classes[0] = 1;
  DcmFileFormat file;
  const auto read = read_segmentation(segmentation_of(models, dicom_image(3, false), classes), file);
  DcmSequenceOfItems* found = nullptr;
  REQUIRE(file.getDataset()->findAndGetSequence(DCM_SourceImageSequence, found, OFTrue).good());
  CHECK(text_at(*found->getItem(0), DCM_ReferencedSOPInstanceUID) == "1.2.3.100");
  CHECK(text_at(*found->getItem(0), DCM_ReferencedFrameNumber) == "3");
}

TEST_CASE("a segmentation of an image without a place in the patient, and of nothing found, can be read") {
  REQUIRE(decode::set_up_libraries());
  const Models models;
  Image image = dicom_image(1, false);
  auto& source = std::get<DicomSource>(*image.header.origin);
  source.attributes.erase(0x00200052);
  source.frames[0].position.reset();
  source.orientation.reset();
  DcmFileFormat file;
  const auto read = read_segmentation(segmentation_of(models, image, std::vector<std::uint8_t>(12, 0)), file);
  CHECK(read->getNumberOfFrames() == 2);
  CHECK(text_at(*file.getDataset(), DCM_PatientID) == "P7");
  CHECK_FALSE(file.getDataset()->tagExists(DCM_FrameOfReferenceUID));
}

TEST_CASE("a segmentation refers to its source by the UIDs that a scanner wrote, right or wrong by the standard") {
  REQUIRE(decode::set_up_libraries());
  const Models models;
  Image image = dicom_image(1, false);
  auto& attributes = std::get<DicomSource>(*image.header.origin).attributes;
  attributes[0x00080018] = "2.16.124.99.03726433669854671539";  // a component that begins with 0
  attributes[0x0020000D] = "2.16.124.99.01";
  attributes[0x0020000E] = "2.16.124.99.02";
  attributes[0x00200052] = "2.16.124.99.03";
  std::vector<std::uint8_t> classes(12, 0);
  classes[0] = 1;
  DcmFileFormat file;
  const auto read = read_segmentation(segmentation_of(models, image, classes), file);
  DcmItem& dataset = *file.getDataset();
  CHECK(text_at(dataset, DCM_StudyInstanceUID) == "2.16.124.99.01");
  CHECK(text_at(dataset, DCM_FrameOfReferenceUID) == "2.16.124.99.03");
  for (const DcmTagKey& key : {DCM_SourceImageSequence, DCM_ReferencedInstanceSequence}) {
    DcmSequenceOfItems* found = nullptr;
    REQUIRE(dataset.findAndGetSequence(key, found, OFTrue).good());
    CHECK(text_at(*found->getItem(0), DCM_ReferencedSOPInstanceUID) == "2.16.124.99.03726433669854671539");
  }
}

TEST_CASE("an image that lacks what a segmentation repeats is refused by the attribute's name") {
  const Models models;
  Image image = dicom_image(1, false);
  std::get<DicomSource>(*image.header.origin).attributes.erase(0x0020000D);
  const auto refused = dicom_mask(models.context, image, std::vector<std::uint8_t>(12, 0));
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("StudyInstanceUID"));
}

}  // namespace consilium::predict
