#include "common/pki/signer.h"

#include "common/crypto/x509.h"
#include "common/files/files.h"

namespace consilium::pki {
namespace {

constexpr std::size_t kMaxSignatureBytes = 72;  // DER of two 256-bit integers

const unsigned char* octets(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

class FileSigner final : public Signer {
 public:
  explicit FileSigner(crypto::KeyPtr key) : key_(std::move(key)) {}

  Result<std::vector<std::byte>> sign(std::span<const std::byte> message) const override {
    const crypto::DigestContextPtr context(EVP_MD_CTX_new());
    std::vector<std::byte> signature(kMaxSignatureBytes);
    std::size_t length = signature.size();
    if (!context || EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length, octets(message),
                       message.size()) != 1) {
      return fail(crypto::openssl_error(ErrorCode::kInternal, "signing failed"));
    }
    signature.resize(length);
    return signature;
  }

 private:
  crypto::KeyPtr key_;
};

}  // namespace

Result<std::unique_ptr<Signer>> make_file_signer(const std::filesystem::path& key_file) {
  CONSILIUM_ASSIGN(std::string pem, files::read_private_file(key_file, crypto::kMaxPemBytes));
  auto key = crypto::read_private_key(pem);
  crypto::wipe(pem);
  if (!key) {
    return fail(key.error().within(key_file.string()));
  }
  return std::unique_ptr<Signer>(std::make_unique<FileSigner>(std::move(*key)));
}

Result<void> verify(const std::string& certificate_pem, std::span<const std::byte> message,
                    std::span<const std::byte> signature) {
  CONSILIUM_ASSIGN(const crypto::CertificatePtr certificate, crypto::read_certificate(certificate_pem));
  if (signature.empty() || signature.size() > kMaxSignatureBytes) {
    return fail(ErrorCode::kUnauthenticated, "a signature has 1 to " + std::to_string(kMaxSignatureBytes) +
                                                 " bytes, found " + std::to_string(signature.size()));
  }
  const crypto::DigestContextPtr context(EVP_MD_CTX_new());
  if (!context ||
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, X509_get0_pubkey(certificate.get())) != 1 ||
      EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(message), message.size()) != 1) {
    return fail(crypto::openssl_error(ErrorCode::kUnauthenticated, "the signature is not by the certificate's key"));
  }
  return {};
}

}  // namespace consilium::pki
