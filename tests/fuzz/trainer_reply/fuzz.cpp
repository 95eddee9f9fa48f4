// Feeds bytes to the reader of a reply. A reply that it accepts must survive writing and reading again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "client/trainer/protocol/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace consilium::trainer;
  const auto message = decode_reply({reinterpret_cast<const char*>(data), size});
  if (!message) return 0;
  const auto again = decode_reply(encode(*message));
  if (!again || !(*again == *message)) std::abort();
  return 0;
}
