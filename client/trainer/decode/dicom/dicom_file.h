#pragma once

#include <dcmtk/dcmdata/dcfilefo.h>

#include <memory>

#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Returns true if the bytes begin like a DICOM file, with or without the 128-byte preamble.
[[nodiscard]] bool is_dicom(Bytes file);

/// Returns true if the transfer syntax stores pixel data as a sequence of fragments rather than as a plain array.
[[nodiscard]] bool is_encapsulated(E_TransferSyntax syntax);

/// A parsed DICOM file.
class DicomFile {
 public:
  /// Parses a file; with `header_only`, only up to its pixel data. Some writers have left a data set in implicit VR
  /// behind a header that says explicit VR; it is read as implicit VR. Fails with kInvalidArgument if the file is
  /// truncated or broken.
  static Result<DicomFile> parse(Bytes bytes, bool header_only);

  [[nodiscard]] DcmDataset& dataset() { return *file_->getDataset(); }
  /// Returns the transfer syntax of the pixel data.
  [[nodiscard]] E_TransferSyntax syntax() const { return syntax_; }

 private:
  explicit DicomFile(std::unique_ptr<DcmFileFormat> file);
  Result<void> read_as_implicit(Bytes dataset, bool header_only);

  std::unique_ptr<DcmFileFormat> file_;
  E_TransferSyntax syntax_ = EXS_Unknown;
};

}  // namespace consilium::decode
