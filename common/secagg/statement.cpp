#include "common/secagg/statement.h"

#include "common/crypto/hkdf.h"

namespace consilium::secagg {

Result<crypto::SecretBytes> derive(const crypto::SecretBytes& key, std::span<const std::uint8_t> salt, Statement info,
                                   std::size_t size) {
  const std::vector<std::byte> bytes = info.take();
  const std::span<const std::uint8_t> octets(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return crypto::hkdf_sha256(key, salt, octets, size);
}

}  // namespace consilium::secagg
