#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/pki/identity.h"

// Every accepted URI equals the one that its identity writes, so no identity has two spellings.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view uri(reinterpret_cast<const char*>(data), size);
  const auto identity = consilium::pki::identity_from_uri(uri);
  if (identity && to_uri(*identity) != uri) std::abort();
  return 0;
}
