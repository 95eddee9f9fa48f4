#include "common/crypto/x25519.h"

#include <string>

#include "common/crypto/openssl.h"

namespace consilium::crypto {
namespace {

constexpr std::size_t kKeyBytes = 32;

}  // namespace

struct X25519KeyPair::Handle {
  KeyPtr key;
};

X25519KeyPair::X25519KeyPair(SecretBytes key, std::unique_ptr<Handle> handle, const X25519PublicKey& public_key)
    : private_(std::move(key)), handle_(std::move(handle)), public_(public_key) {}
X25519KeyPair::~X25519KeyPair() = default;
X25519KeyPair::X25519KeyPair(X25519KeyPair&&) noexcept = default;
X25519KeyPair& X25519KeyPair::operator=(X25519KeyPair&&) noexcept = default;

Result<X25519KeyPair> X25519KeyPair::generate(RandomSource& random) {
  CONSILIUM_ASSIGN(SecretBytes key, SecretBytes::allocate(kKeyBytes));
  CONSILIUM_TRY(random.fill(key.bytes()));
  return from_private(std::move(key));
}

Result<X25519KeyPair> X25519KeyPair::from_private(SecretBytes key) {
  if (key.size() != kKeyBytes) {
    return fail(ErrorCode::kInvalidArgument, "an X25519 private key has 32 bytes, found " + std::to_string(key.size()));
  }
  auto handle = std::make_unique<Handle>();
  handle->key.reset(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, key.bytes().data(), kKeyBytes));
  X25519PublicKey public_key{};
  std::size_t size = public_key.size();
  if (!handle->key || EVP_PKEY_get_raw_public_key(handle->key.get(), public_key.data(), &size) != 1) {
    return fail(openssl_error(ErrorCode::kInternal, "an X25519 key could not be made"));
  }
  return X25519KeyPair(std::move(key), std::move(handle), public_key);
}

Result<SecretBytes> X25519KeyPair::agree(const X25519PublicKey& peer) const {
  const KeyPtr peer_key(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, peer.data(), peer.size()));
  const KeyContextPtr context(EVP_PKEY_CTX_new(handle_->key.get(), nullptr));
  if (!peer_key || !context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer_key.get()) != 1) {
    return fail(openssl_error(ErrorCode::kInternal, "an X25519 agreement could not begin"));
  }
  CONSILIUM_ASSIGN(SecretBytes secret, SecretBytes::allocate(kKeyBytes));
  std::size_t size = secret.size();
  // OpenSSL fails here if, and only if, the result is all zero.
  if (EVP_PKEY_derive(context.get(), secret.bytes().data(), &size) != 1) {
    return fail(openssl_error(ErrorCode::kInvalidArgument, "the peer's X25519 key is a point of small order"));
  }
  return secret;
}

}  // namespace consilium::crypto
