#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "common/secagg/messages.h"

/// Any bytes are refused, or equal what encode() writes for the decoded message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto message = consilium::secagg::decode_coordinator_message(bytes);
  if (!message) return 0;
  if (!std::ranges::equal(consilium::secagg::encode(*message), bytes)) std::abort();
  return 0;
}
