#include "common/crypto/random_bytes.h"

#include <openssl/rand.h>

#include <algorithm>
#include <climits>

#include "common/crypto/openssl.h"

namespace consilium::crypto {

Result<void> random_bytes(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t part = std::min<std::size_t>(bytes.size(), INT_MAX);
    if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(part)) != 1) {
      return fail(openssl_error(ErrorCode::kInternal, "the system gave no random bytes"));
    }
    bytes = bytes.subspan(part);
  }
  return {};
}

}  // namespace consilium::crypto
