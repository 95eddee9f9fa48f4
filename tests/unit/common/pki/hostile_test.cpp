#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <random>
#include <string>
#include <vector>

#include "common/crypto/issue.h"
#include "common/crypto/x509.h"
#include "common/pki/authority.h"
#include "common/pki/trust.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using consilium::ErrorCode;
using namespace consilium::pki;
namespace crypto = consilium::crypto;
using namespace std::chrono_literals;

namespace {

const std::vector<Role> kAnyRole(kRoles.begin(), kRoles.end());
const Identity kNorth{"lung", Role::kSite, "north"};

/// Returns DER wrapped as PEM, so that a flipped byte reaches the parser and not only the base64 decoder.
std::string armour(const std::string& kind, const std::string& der) {
  const crypto::BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio(bio.get(), kind.c_str(), "", reinterpret_cast<const unsigned char*>(der.data()),
                static_cast<long>(der.size()));
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(length)};
}

std::string der_of(const std::string& pem) {
  const crypto::BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long length = 0;
  REQUIRE(PEM_read_bio(bio.get(), &name, &header, &data, &length) == 1);
  std::string der(reinterpret_cast<char*>(data), static_cast<std::size_t>(length));
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(data);
  return der;
}

/// Every truncation, every single-byte change of one kind, and 600 random ones.
std::vector<std::string> mutations(const std::string& whole) {
  std::vector<std::string> all;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    all.push_back(whole.substr(0, length));
  }
  std::mt19937 random(7);
  for (std::size_t i = 0; i < whole.size() + 600; ++i) {
    std::string changed = whole;
    const std::size_t at = i < whole.size() ? i : random() % whole.size();
    changed[at] = static_cast<char>(changed[at] ^ static_cast<char>(i < whole.size() ? 1 : 1 + random() % 255));
    all.push_back(changed);
  }
  return all;
}

/// Returns a request by a key of any kind and digest, built without the library's own functions.
std::string request_by(EVP_PKEY* key, const EVP_MD* digest) {
  const crypto::RequestPtr request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), key);
  REQUIRE(X509_REQ_sign(request.get(), key, digest) > 0);
  return crypto::to_pem(request.get()).value();
}

std::string message_of_refusal(Authority& authority, const std::string& request) {
  const auto refused = authority.sign(request, kNorth, {}, 1h);
  REQUIRE_FALSE(refused);
  return refused.error().message;
}

}  // namespace

TEST_CASE("a request changed in any byte gives no certificate for another key") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", std::chrono::days{10}).value();
  const std::string request = create_key_and_request(folder / "n.key", kNorth).value();
  const auto original = crypto::read_request(request).value();
  const auto fingerprint = crypto::fingerprint(X509_REQ_get_X509_PUBKEY(original.get())).value();
  std::vector<std::string> hostile = mutations(request);
  for (const std::string& der : mutations(der_of(request))) {
    hostile.push_back(armour("CERTIFICATE REQUEST", der));
  }
  CHECK(hostile.size() > 2000);
  std::size_t refused = 0;
  for (const std::string& changed : hostile) {
    const auto read = crypto::read_request(changed);
    refused += read ? 0 : 1;
    if (read) {  // the change hit white space or a redundant bit of the base64
      CHECK(crypto::fingerprint(X509_REQ_get_X509_PUBKEY(read->get())).value() == fingerprint);
    }
  }
  CHECK(refused > hostile.size() - 60);
}

TEST_CASE("a certificate changed in any byte authenticates nobody else") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", std::chrono::days{10}).value();
  const auto pem = authority.sign(create_key_and_request(folder / "n.key", kNorth).value(), kNorth, {}, 1h).value();
  const auto store = TrustStore::open(authority.root_certificate(), authority.revocation_list()).value();
  std::vector<std::string> hostile = mutations(pem);
  const std::size_t armoured = hostile.size();
  for (const std::string& der : mutations(der_of(pem))) {
    hostile.push_back(armour("CERTIFICATE", der));
  }
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < hostile.size(); ++i) {
    const auto identity = store->authenticate(hostile[i], kAnyRole);
    if (identity) {
      CHECK(*identity == kNorth);
      CHECK(key_fingerprint(hostile[i]).value() == key_fingerprint(pem).value());
      ++accepted;
      CHECK(i < armoured);  // a changed DER is never accepted
    }
  }
  CHECK(accepted < 60);
}

TEST_CASE("a revocation list changed in any byte lets nobody in") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", std::chrono::days{10}).value();
  REQUIRE(authority.sign(create_key_and_request(folder / "n.key", kNorth).value(), kNorth, {}, 1h));
  REQUIRE(authority.revoke(Role::kSite, "north"));
  for (const std::string& der : mutations(der_of(text_of(authority.revocation_list())))) {
    write_text(folder / "list.pem", armour("X509 CRL", der));
    CHECK_FALSE(TrustStore::open(authority.root_certificate(), folder / "list.pem"));
  }
}

TEST_CASE("a request must be of bounded size, by P-256 and SHA-256, and prove its key") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", std::chrono::days{10}).value();
  const std::string good = create_key_and_request(folder / "n.key", kNorth).value();

  CHECK(message_of_refusal(authority, good + std::string(100'000, '\n')).find("at most") != std::string::npos);
  CHECK(message_of_refusal(authority, good + good).find("one PEM block") != std::string::npos);
  CHECK(message_of_refusal(authority, text_of(folder / "n.key")).find("one PEM block") != std::string::npos);
  CHECK(message_of_refusal(authority, text_of(authority.root_certificate())).find("one PEM block") !=
        std::string::npos);

  const crypto::KeyPtr p384(EVP_EC_gen("P-384"));
  CHECK(message_of_refusal(authority, request_by(p384.get(), EVP_sha256())).find("P-256") != std::string::npos);
  const crypto::KeyPtr koblitz(EVP_EC_gen("secp256k1"));
  CHECK(message_of_refusal(authority, request_by(koblitz.get(), EVP_sha256())).find("P-256") != std::string::npos);
  const crypto::KeyPtr rsa(EVP_RSA_gen(2048));
  CHECK(message_of_refusal(authority, request_by(rsa.get(), EVP_sha256())).find("P-256") != std::string::npos);
  const crypto::KeyPtr ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  CHECK(message_of_refusal(authority, request_by(ed25519.get(), nullptr)).find("P-256") != std::string::npos);
  const crypto::KeyPtr compressed(EVP_EC_gen("P-256"));
  EVP_PKEY_set_utf8_string_param(compressed.get(), OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed");
  CHECK(message_of_refusal(authority, request_by(compressed.get(), EVP_sha256())).find("P-256") != std::string::npos);
  const crypto::KeyPtr p256(EVP_EC_gen("P-256"));
  CHECK(message_of_refusal(authority, request_by(p256.get(), EVP_sha1())).find("SHA-256") != std::string::npos);

  const crypto::RequestPtr stolen(X509_REQ_new());
  X509_REQ_set_pubkey(stolen.get(), p256.get());
  const crypto::KeyPtr thief(EVP_EC_gen("P-256"));
  REQUIRE(X509_REQ_sign(stolen.get(), thief.get(), EVP_sha256()) > 0);
  CHECK(
      message_of_refusal(authority, crypto::to_pem(stolen.get()).value()).find("it was made without the private key") !=
      std::string::npos);
  CHECK(authority.list().value().empty());
}

TEST_CASE("a certificate with other names than one URI speaks for nobody, whoever signed it") {
  const crypto::KeyPtr key = crypto::make_key().value();
  const auto identity_with = [&](const char* names) {
    const crypto::CertificatePtr certificate(X509_new());
    X509_set_version(certificate.get(), X509_VERSION_3);
    X509_set_pubkey(certificate.get(), key.get());
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    if (names != nullptr) {
      const crypto::ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names));
      REQUIRE(extension);
      X509_add_ext(certificate.get(), extension.get(), -1);
    }
    REQUIRE(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
    return identity_of_certificate(crypto::to_pem(certificate.get()).value());
  };
  CHECK(identity_with("URI:spiffe://lung/site/north").value() == kNorth);
  CHECK(identity_with("DNS:a.org,URI:spiffe://lung/site/north,IP:10.0.0.1").value() == kNorth);
  for (const char* names : {static_cast<const char*>(nullptr), "DNS:spiffe", "DNS:a.org", "email:a@b.org",
                            "URI:spiffe://lung/site/north,URI:spiffe://lung/site/north",
                            "URI:spiffe://lung/site/north,URI:spiffe://lung/site/south", "URI:https://lung/site/north",
                            "URI:spiffe://LUNG/site/north", "URI:spiffe://lung/site/../north",
                            "URI:spiffe://lung/site/north,email:a@b.org", "URI:spiffe://lung/site/north,RID:1.2.3"}) {
    CAPTURE(names == nullptr ? "none" : names);
    const auto identity = identity_with(names);
    REQUIRE_FALSE(identity);
    CHECK(identity.error().code == ErrorCode::kUnauthenticated);
  }
}
