#include <cstdint>
#include <cstdlib>
#include <span>

#include "common/wire/conversions.h"

using namespace consilium;

/// Whatever a site sends is refused, or is a message that crosses the wire unchanged.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = wire::decode_site_message(std::as_bytes(std::span(data, size)));
  if (!message) return 0;
  const std::string again = wire::encode(*message);
  const auto back = wire::decode_site_message(std::as_bytes(std::span(again)));
  if (!back || *back != *message) std::abort();
  return 0;
}
