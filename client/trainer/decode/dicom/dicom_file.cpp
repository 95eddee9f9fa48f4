#include "client/trainer/decode/dicom/dicom_file.h"

#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dcmetinf.h>
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcxfer.h>
#include <spdlog/fmt/fmt.h>

#include <cstring>
#include <optional>
#include <utility>

namespace consilium::decode {

namespace {

constexpr std::size_t kPreambleBytes = 128;
constexpr std::size_t kMetaBegin = kPreambleBytes + 4;  // after "DICM"
/// The tag at which header_only stops: float pixel data come first, then integer ones.
const DcmTagKey kFirstPixelTag(0x7fe0, 0x0008);

std::uint32_t number_at(Bytes bytes, std::size_t offset, std::size_t size) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < size; ++i) number |= std::uint32_t{bytes[offset + i]} << (8 * i);
  return number;
}

/// Calls the function that DCMTK 3.6.8 renamed, under either name.
template <class Xfer>
bool uses_encapsulated_format(const Xfer& xfer) {
  if constexpr (requires { xfer.usesEncapsulatedFormat(); }) {
    return xfer.usesEncapsulatedFormat();
  } else {
    return xfer.isEncapsulated();
  }
}

/// Reads a whole object, a file or a data set, from memory.
template <class Object>
OFCondition read_object(Bytes bytes, E_TransferSyntax syntax, bool header_only, Object& object) {
  DcmInputBufferStream stream;
  stream.setBuffer(bytes.data(), static_cast<offile_off_t>(bytes.size()));
  stream.setEos();
  object.transferInit();
  const OFCondition read = header_only
                               ? object.readUntilTag(stream, syntax, EGL_noChange, DCM_MaxReadLength, kFirstPixelTag)
                               : object.read(stream, syntax, EGL_noChange, DCM_MaxReadLength);
  object.transferEnd();
  return read;
}

/// Returns the data set behind a header that says explicit VR, if the data set's first element has no VR.
std::optional<Bytes> implicit_dataset(Bytes file) {
  constexpr std::size_t kLengthElement = 12;
  if (file.size() < kMetaBegin + kLengthElement || std::memcmp(file.data() + kPreambleBytes, "DICM", 4) != 0) return {};
  if (number_at(file, kMetaBegin, 4) != 0x00000002) return {};  // (0002,0000), the length of the header
  const std::size_t begin = kMetaBegin + kLengthElement + number_at(file, kMetaBegin + 8, 4);
  if (file.size() < 8 || begin > file.size() - 8) return {};
  const auto is_letter = [](std::uint8_t byte) { return byte >= 'A' && byte <= 'Z'; };
  if (number_at(file, begin, 2) != 8 || (is_letter(file[begin + 4]) && is_letter(file[begin + 5]))) return {};
  return file.subspan(begin);
}

}  // namespace

bool is_encapsulated(E_TransferSyntax syntax) { return uses_encapsulated_format(DcmXfer(syntax)); }

bool is_dicom(Bytes file) {
  if (file.size() >= kMetaBegin && std::memcmp(file.data() + kPreambleBytes, "DICM", 4) == 0) return true;
  // Without a preamble, the first element must be of group 2 or 8, in either byte order.
  if (file.size() < 8) return false;
  const auto number = [file](std::size_t low, std::size_t high) { return file[low] | (file[high] << 8); };
  const auto fits = [](int group, int element) { return (group == 2 || group == 8) && element <= 0x0100; };
  return fits(number(0, 1), number(2, 3)) || fits(number(1, 0), number(3, 2));
}

DicomFile::DicomFile(std::unique_ptr<DcmFileFormat> file) : file_(std::move(file)) {}

Result<DicomFile> DicomFile::parse(Bytes bytes, bool header_only) {
  DicomFile file(std::make_unique<DcmFileFormat>());
  const OFCondition read = read_object(bytes, EXS_Unknown, header_only, *file.file_);
  if (read.good()) {
    file.syntax_ = file.dataset().getOriginalXfer();
    return file;
  }
  if (const auto dataset = implicit_dataset(bytes); dataset && file.read_as_implicit(*dataset, header_only))
    return file;
  return fail(ErrorCode::kInvalidArgument, fmt::format("the DICOM file is cut off or broken: {}", read.text()));
}

Result<void> DicomFile::read_as_implicit(Bytes bytes, bool header_only) {
  OFString declared;
  if (file_->getMetaInfo()->findAndGetOFString(DCM_TransferSyntaxUID, declared).bad()) {
    return fail(ErrorCode::kInvalidArgument, "it has no transfer syntax");
  }
  syntax_ = DcmXfer(declared.c_str()).getXfer();
  DcmDataset& target = dataset();
  target.clear();
  if (read_object(bytes, EXS_LittleEndianImplicit, header_only, target).bad()) {
    return fail(ErrorCode::kInvalidArgument, "it has neither explicit nor implicit VR");
  }
  if (!is_encapsulated(syntax_)) syntax_ = EXS_LittleEndianImplicit;
  DcmElement* element = nullptr;
  DcmPixelSequence* sequence = nullptr;
  if (target.findAndGetElement(DCM_PixelData, element).bad() || syntax_ == EXS_LittleEndianImplicit) return {};
  auto* found = dynamic_cast<DcmPixelData*>(element);
  if (found == nullptr || found->getEncapsulatedRepresentation(EXS_LittleEndianImplicit, nullptr, sequence).bad())
    return {};
  // DCMTK would choose the decoder by the transfer syntax under which it read the frames, so this gives them the actual
  // one.
  auto pixel_data = std::make_unique<DcmPixelData>(DCM_PixelData);
  pixel_data->putOriginalRepresentation(syntax_, nullptr, new DcmPixelSequence(*sequence));
  if (target.insert(pixel_data.get(), OFTrue).good()) [[maybe_unused]]
    const auto* owned = pixel_data.release();
  return {};
}

}  // namespace consilium::decode
