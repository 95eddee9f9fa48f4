#include "common/crypto/aead.h"

#include <climits>
#include <string>

#include "common/crypto/openssl.h"

namespace consilium::crypto {
namespace {

constexpr int kEncrypt = 1;
constexpr int kDecrypt = 0;

Result<void> check(const SecretBytes& key, std::span<const std::uint8_t> aad, std::span<const std::uint8_t> text) {
  if (key.size() != kAeadKeyBytes) {
    return fail(ErrorCode::kInvalidArgument, "an AES-256-GCM key has 32 bytes, found " + std::to_string(key.size()));
  }
  if (aad.size() > INT_MAX || text.size() > INT_MAX - kAeadTagBytes) {
    return fail(ErrorCode::kResourceExhausted, "a sealed message has at most 2 GiB");
  }
  return {};
}

/// Begins in one direction and processes the aad. Returns null if OpenSSL fails.
CipherContextPtr begin(int direction, const SecretBytes& key, const AeadNonce& nonce,
                       std::span<const std::uint8_t> aad) {
  CipherContextPtr context(EVP_CIPHER_CTX_new());
  int size = 0;
  // OpenSSL's default nonce for GCM has 12 bytes.
  if (!context ||
      EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.bytes().data(), nonce.data(), direction) != 1 ||
      EVP_CipherUpdate(context.get(), nullptr, &size, aad.data(), static_cast<int>(aad.size())) != 1) {
    return nullptr;
  }
  return context;
}

}  // namespace

Result<std::vector<std::uint8_t>> seal(const SecretBytes& key, const AeadNonce& nonce,
                                       std::span<const std::uint8_t> aad, std::span<const std::uint8_t> plaintext) {
  CONSILIUM_TRY(check(key, aad, plaintext));
  const CipherContextPtr context = begin(kEncrypt, key, nonce, aad);
  std::vector<std::uint8_t> sealed(plaintext.size() + kAeadTagBytes);
  std::uint8_t* tag = sealed.data() + plaintext.size();
  int size = 0;
  if (!context ||
      EVP_CipherUpdate(context.get(), sealed.data(), &size, plaintext.data(), static_cast<int>(plaintext.size())) !=
          1 ||
      EVP_CipherFinal_ex(context.get(), tag, &size) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagBytes, tag) != 1) {
    return fail(openssl_error(ErrorCode::kInternal, "a message could not be sealed"));
  }
  return sealed;
}

Result<SecretBytes> open(const SecretBytes& key, const AeadNonce& nonce, std::span<const std::uint8_t> aad,
                         std::span<const std::uint8_t> sealed) {
  CONSILIUM_TRY(check(key, aad, sealed));
  if (sealed.size() < kAeadTagBytes) {
    return fail(ErrorCode::kUnauthenticated,
                "a sealed message has at least the 16 bytes of its tag, found " + std::to_string(sealed.size()));
  }
  const auto ciphertext = sealed.first(sealed.size() - kAeadTagBytes);
  auto* tag = const_cast<std::uint8_t*>(sealed.last(kAeadTagBytes).data());
  const CipherContextPtr context = begin(kDecrypt, key, nonce, aad);
  CONSILIUM_ASSIGN(SecretBytes plaintext, SecretBytes::allocate(ciphertext.size()));
  std::uint8_t* out = plaintext.bytes().data();
  int size = 0;
  if (!context ||
      EVP_CipherUpdate(context.get(), out, &size, ciphertext.data(), static_cast<int>(ciphertext.size())) != 1 ||
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagBytes, tag) != 1) {
    return fail(openssl_error(ErrorCode::kInternal, "a message could not be opened"));
  }
  if (EVP_CipherFinal_ex(context.get(), out, &size) != 1) {
    return fail(openssl_error(ErrorCode::kUnauthenticated,
                              "a sealed message was changed, or was sealed with another key or for another purpose"));
  }
  return plaintext;
}

}  // namespace consilium::crypto
