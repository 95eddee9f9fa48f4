#include <dcmtk/dcmdata/dcxfer.h>

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "client/trainer/decode/decode_file.h"
#include "client/trainer/decode/dicom/dicom_file.h"
#include "client/trainer/decode/pixel_values.h"

using namespace consilium;

/// DCMTK's decoders of compressed frames crash on many broken ones, within seconds of fuzzing. Workers exist for this
/// reason: the fuzzer process_decoder feeds them whole files. This fuzzer tests the rest of DICOM.
bool is_compressed_dicom(decode::Bytes file) {
  if (!decode::is_dicom(file)) return false;
  const auto parsed = decode::DicomFile::parse(file, true);
  return parsed && DcmXfer(parsed->syntax()).isEncapsulated();
}

/// DCMTK asks for as many bytes as an element claims to have, up to 4 GiB, before it notices that the file is shorter.
/// In a worker the kernel refuses them (RLIMIT_DATA). Here they are allowed, since nothing is written to them.
extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  static std::vector<char*> longer(*arguments, *arguments + *count);
  static char option[] = "-malloc_limit_mb=4608";
  longer.push_back(option);
  *count = static_cast<int>(longer.size());
  longer.push_back(nullptr);
  *arguments = longer.data();
  return 0;
}

/// The first byte chooses how the rest is decoded. Bit 0: only its header. Bit 1: as labels. A file is decoded to as
/// many pixels as it states, within the limit, or refused with a message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const bool ready = decode::set_up_libraries().has_value();
  if (size == 0 || !ready) return 0;
  const decode::Bytes file{bytes + 1, size - 1};
  data::DecodeOptions options{.header_only = (bytes[0] & 1) != 0, .labels = (bytes[0] & 2) != 0, .max_bytes = 1 << 20};
  if (is_compressed_dicom(file)) options.header_only = true;
  const auto image = decode::decode_file(file, options);
  if (!image) {
    if (image.error().message.empty()) std::abort();
    return 0;
  }
  if (options.header_only) return 0;
  const auto count = decode::checked_count(image->shape, decode::bytes_of(decode::element_of(image->pixels)), options);
  if (!count || *count != decode::count_of(image->pixels)) std::abort();
  return 0;
}
