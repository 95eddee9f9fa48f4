#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "client/trainer/decode/process_decoder.h"

using namespace consilium;

namespace {

/// Ends the fuzzer if a good file can't be read.
void check_goes_on(decode::ProcessDecoder& decoder) {
  const auto good = decoder.decode(CONSILIUM_SOURCE_DIR "/tests/fixtures/images/grey8.png", {});
  if (!good || good->shape != std::vector<std::int64_t>{1, 12, 10}) std::abort();
}

}  // namespace

/// Decodes whole files, compressed DICOM too, in the decoder's processes, which a file may crash. Whatever the bytes
/// are, the answer is an image within its limit, or an error that names the file, and the next file is read.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const auto decoder = decode::ProcessDecoder::start(CONSILIUM_BIN_DIR "/consilium-decode", {}).value();
  static const int file = ::memfd_create("image", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (size == 0) return 0;
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, bytes + 1, size - 1, 0) != static_cast<ssize_t>(size - 1))
    std::abort();
  const data::DecodeOptions options{
      .header_only = (bytes[0] & 1) != 0, .labels = (bytes[0] & 2) != 0, .max_bytes = 1 << 20};
  const auto image = decoder->decode(path, options);
  if (image) return 0;
  if (!image.error().message.starts_with(path + ": ")) std::abort();
  if (image.error().code == ErrorCode::kUnavailable) std::abort();
  check_goes_on(*decoder);
  return 0;
}
