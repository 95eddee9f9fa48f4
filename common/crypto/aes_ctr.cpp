#include "common/crypto/aes_ctr.h"

#include <algorithm>
#include <string>

#include "common/crypto/openssl.h"

namespace consilium::crypto {
namespace {

constexpr std::size_t kKeyBytes = 32;
/// The plaintext that is encrypted to obtain only the keystream.
constexpr std::array<std::uint8_t, 16384> kZeros{};

}  // namespace

struct AesCtrStream::Context {
  CipherContextPtr handle{EVP_CIPHER_CTX_new()};
};

AesCtrStream::AesCtrStream(std::unique_ptr<Context> context) : context_(std::move(context)) {}
AesCtrStream::~AesCtrStream() = default;
AesCtrStream::AesCtrStream(AesCtrStream&&) noexcept = default;
AesCtrStream& AesCtrStream::operator=(AesCtrStream&&) noexcept = default;

Result<AesCtrStream> AesCtrStream::begin(const SecretBytes& key, const Counter& counter) {
  if (key.size() != kKeyBytes) {
    return fail(ErrorCode::kInvalidArgument, "an AES-256 key has 32 bytes, found " + std::to_string(key.size()));
  }
  auto context = std::make_unique<Context>();
  EVP_CIPHER_CTX* handle = context->handle.get();
  if (handle == nullptr ||
      EVP_EncryptInit_ex(handle, EVP_aes_256_ctr(), nullptr, key.bytes().data(), counter.data()) != 1) {
    return fail(openssl_error(ErrorCode::kInternal, "a keystream could not begin"));
  }
  return AesCtrStream(std::move(context));
}

Result<void> AesCtrStream::next(std::span<std::uint8_t> keystream) {
  while (!keystream.empty()) {
    const auto part = keystream.first(std::min(keystream.size(), kZeros.size()));
    int size = 0;
    if (EVP_EncryptUpdate(context_->handle.get(), part.data(), &size, kZeros.data(), static_cast<int>(part.size())) !=
        1) {
      return fail(openssl_error(ErrorCode::kInternal, "a keystream broke off"));
    }
    keystream = keystream.subspan(part.size());
  }
  return {};
}

}  // namespace consilium::crypto
