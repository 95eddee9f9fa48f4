#include "common/pki/signer.h"

#include <ctime>
#include <string>
#include <vector>

#include "common/crypto/issue.h"
#include "common/crypto/x509.h"
#include "common/files/files.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using consilium::ErrorCode;
using namespace consilium;
using namespace consilium::pki;

namespace {

/// The key of RFC 6979, A.2.5.
constexpr const char* kKey = R"(-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIMmvqdhFunUWa1whV2ex1pNOUMPbNuibEnuKYisSD2choAoGCCqGSM49
AwEHoUQDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Z5A/4QCLi8
maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==
-----END EC PRIVATE KEY-----
)";

/// Its signatures with SHA-256 of "sample" and of "test": SEQUENCE { INTEGER r, INTEGER s }.
constexpr const char* kSample =
    "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
constexpr const char* kTest =
    "3045022100f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
    "0220019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083";

std::span<const std::byte> bytes_in(const std::string& text) { return std::as_bytes(std::span(text)); }

std::vector<std::byte> from_hex(std::string_view hex) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

std::string certificate_of_the_key() {
  const auto key = crypto::read_private_key(kKey).value();
  crypto::CertificateContents contents;
  contents.common_name = "RFC 6979";
  contents.serial = "01";
  contents.not_before = std::time(nullptr);
  contents.not_after = contents.not_before + 3600;
  contents.authority = true;
  return crypto::to_pem(crypto::issue_certificate(contents, key.get(), nullptr, key.get()).value().get()).value();
}

}  // namespace

TEST_CASE("ECDSA P-256 verifies the signatures of RFC 6979, A.2.5, each for its message") {
  const std::string certificate = certificate_of_the_key();
  CHECK(verify(certificate, bytes_in("sample"), from_hex(kSample)));
  CHECK(verify(certificate, bytes_in("test"), from_hex(kTest)));
  CHECK(verify(certificate, bytes_in("test"), from_hex(kSample)).error().code == ErrorCode::kUnauthenticated);
  CHECK(verify(certificate, bytes_in("sample"), from_hex(kTest)).error().code == ErrorCode::kUnauthenticated);
}

TEST_CASE("a signature by the key of RFC 6979 verifies, and is another one each time") {
  const TemporaryFolder folder;
  REQUIRE(files::create_private_file(folder / "rfc.key", kKey));
  const auto signer = make_file_signer(folder / "rfc.key").value();
  const auto first = signer->sign(bytes_in("sample")).value();
  const auto second = signer->sign(bytes_in("sample")).value();
  CHECK(first != second);
  CHECK(verify(certificate_of_the_key(), bytes_in("sample"), first));
  CHECK(verify(certificate_of_the_key(), bytes_in("sample"), second));
}
