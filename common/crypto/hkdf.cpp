#include "common/crypto/hkdf.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>

#include <array>
#include <string>

#include "common/crypto/openssl.h"

namespace consilium::crypto {
namespace {

constexpr std::size_t kMaxInfoBytes = 2048;        // OpenSSL's own limit (HKDF_MAXBUF)
constexpr std::size_t kMaxOutputBytes = 255 * 32;  // RFC 5869, section 2.3

using KdfPtr = std::unique_ptr<EVP_KDF, Freed<EVP_KDF_free>>;
using KdfContextPtr = std::unique_ptr<EVP_KDF_CTX, Freed<EVP_KDF_CTX_free>>;

OSSL_PARAM octets(const char* name, std::span<const std::uint8_t> bytes) {
  static std::uint8_t nothing = 0;  // OpenSSL refuses a key without an address, even an empty one
  return OSSL_PARAM_construct_octet_string(name, bytes.empty() ? &nothing : const_cast<std::uint8_t*>(bytes.data()),
                                           bytes.size());
}

}  // namespace

Result<SecretBytes> hkdf_sha256(const SecretBytes& key, std::span<const std::uint8_t> salt,
                                std::span<const std::uint8_t> info, std::size_t size) {
  if (size == 0 || size > kMaxOutputBytes || info.size() > kMaxInfoBytes) {
    return fail(ErrorCode::kInvalidArgument,
                "HKDF derives 1 to 8160 bytes from at most 2048 bytes of info; found a request for " +
                    std::to_string(size) + " for " + std::to_string(info.size()));
  }
  static char digest[] = "SHA256";
  const std::array<OSSL_PARAM, 5> parameters = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0), octets(OSSL_KDF_PARAM_KEY, key.bytes()),
      octets(OSSL_KDF_PARAM_SALT, salt), octets(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_construct_end()};
  const KdfPtr kdf(EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_HKDF, nullptr));
  const KdfContextPtr context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  CONSILIUM_ASSIGN(SecretBytes derived, SecretBytes::allocate(size));
  if (!context || EVP_KDF_derive(context.get(), derived.bytes().data(), size, parameters.data()) != 1) {
    return fail(openssl_error(ErrorCode::kInternal, "a key could not be derived"));
  }
  return derived;
}

}  // namespace consilium::crypto
