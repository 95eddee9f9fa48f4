#include "common/crypto/random_source.h"

#include <openssl/rand.h>

#include <algorithm>
#include <climits>

#include "common/crypto/openssl.h"

namespace consilium::crypto {

Result<void> SystemRandom::fill(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const std::size_t part = std::min<std::size_t>(bytes.size(), INT_MAX);
    if (RAND_priv_bytes(bytes.data(), static_cast<int>(part)) != 1) {
      return fail(openssl_error(ErrorCode::kInternal, "the system gave no random bytes"));
    }
    bytes = bytes.subspan(part);
  }
  return {};
}

}  // namespace consilium::crypto
