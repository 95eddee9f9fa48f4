#pragma once

#include <dcmtk/dcmdata/dcfilefo.h>

#include <memory>

#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Returns true where the bytes begin as a DICOM file does, with or without the preamble of 128 bytes.
[[nodiscard]] bool is_dicom(Bytes file);

/// Returns true where pixel data of the transfer syntax are a sequence of frames, and no plain array.
[[nodiscard]] bool is_encapsulated(E_TransferSyntax syntax);

/// A parsed DICOM file.
class DicomFile {
 public:
  /// Parses a file; under `header_only` up to its pixel data. A data set in implicit VR behind a header that says
  /// explicit VR, as some writers left it, is read as what it is. Fails with kInvalidArgument for files that are cut
  /// off or broken.
  static Result<DicomFile> parse(Bytes bytes, bool header_only);

  [[nodiscard]] DcmDataset& dataset() { return *file_->getDataset(); }
  /// The transfer syntax of the pixel data.
  [[nodiscard]] E_TransferSyntax syntax() const { return syntax_; }

 private:
  explicit DicomFile(std::unique_ptr<DcmFileFormat> file);
  Result<void> read_as_implicit(Bytes dataset, bool header_only);

  std::unique_ptr<DcmFileFormat> file_;
  E_TransferSyntax syntax_ = EXS_Unknown;
};

}  // namespace consilium::decode
