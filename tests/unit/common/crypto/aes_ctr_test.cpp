#include "common/crypto/aes_ctr.h"

#include "common/crypto/sha256.h"
#include "hex.h"
#include "tests/catch.h"

using namespace consilium::crypto;
using consilium::ErrorCode;

namespace {

const std::string kCtrKey = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";

AesCtrStream stream_at(std::string_view counter) {
  return AesCtrStream::begin(secret_from_hex(kCtrKey), array_from_hex<16>(counter)).value();
}

std::vector<std::uint8_t> keystream(AesCtrStream stream, std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  REQUIRE(stream.next(bytes));
  return bytes;
}

}  // namespace

TEST_CASE("AES-256 in counter mode encrypts as in NIST SP 800-38A, F.5.5") {
  auto text = from_hex(
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
      "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
  const auto stream = keystream(stream_at("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"), text.size());
  for (std::size_t i = 0; i < text.size(); ++i) text[i] ^= stream[i];
  CHECK(to_hex(text) ==
        "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
        "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6");
}

TEST_CASE("a keystream in pieces of any size is the keystream") {
  const auto whole = keystream(stream_at("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"), 50'000);
  const std::size_t piece = GENERATE(1UL, 7UL, 16UL, 1000UL, 16384UL, 20000UL);
  auto stream = stream_at("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
  std::vector<std::uint8_t> pieces(whole.size());
  for (std::size_t at = 0; at < pieces.size(); at += piece) {
    REQUIRE(stream.next(std::span(pieces).subspan(at, std::min(piece, pieces.size() - at))));
  }
  CHECK(pieces == whole);
}

TEST_CASE("the counter carries beyond 32 bits, and a stream begun at a later block goes on alike") {
  for (const auto& [first, second] : {std::pair{"000000000000000000000000ffffffff", "00000000000000000000000100000000"},
                                      {"0000000000000000ffffffffffffffff", "00000000000000010000000000000000"}}) {
    const auto whole = keystream(stream_at(first), 48);
    CHECK(keystream(stream_at(second), 32) == std::vector(whole.begin() + 16, whole.end()));
  }
}

TEST_CASE("a key of another size begins no stream") {
  for (const std::size_t size : {0UL, 16UL, 31UL, 33UL}) {
    CHECK(AesCtrStream::begin(SecretBytes::allocate(size).value(), {}).error().code == ErrorCode::kInvalidArgument);
  }
}
