#include "common/crypto/aead.h"

#include "common/crypto/sha256.h"
#include "hex.h"
#include "tests/catch.h"

using namespace consilium::crypto;
using consilium::ErrorCode;

namespace {

struct Vector {
  std::string key, nonce, aad, plaintext, ciphertext, tag;
};

const std::string kZeros32(64, '0');
const std::string kZeros12(24, '0');
const std::string kKey = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
const std::string kLong =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba"
    "637b39";

/// McGrew and Viega's test cases 13, 14 and 16, submitted to NIST with the mode; then three of NIST's CAVP
/// (gcmEncryptExtIV256).
const std::vector<Vector> kVectors = {
    {kZeros32, kZeros12, "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {kZeros32, kZeros12, "", "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18",
     "d0d1c8a799996bf0265b98b5d48ab919"},
    {kKey, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", kLong,
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a"
     "bcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    {"b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4", "516c33929df5a3284ff463d7", "", "", "",
     "bdc1ac884d332457a1d2664f168c76f0"},
    {"78dc4e0aaf52d935c3c01eea57428f00ca1fd475f5da86a49c8dd73d68c8e223", "d79cf22d504cc793c3fb6c8a",
     "b96baa8c1c75a671bfb2d08d06be5f36", "", "", "3e5d486aa2e30b22e040b85723a06e76"},
    {"31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22", "0d18e06c7c725ac9e362e1ce", "",
     "2db5168e932556f8089a0622981d017d", "fa4362189661d163fcd6a56d8bf0405a", "d636ac1bbedd5cc3ee727dc2ab4a9489"},
};

}  // namespace

TEST_CASE("AES-256-GCM seals as NIST's vectors say, and opens what it sealed") {
  const Vector vector = GENERATE(from_range(kVectors));
  const auto key = secret_from_hex(vector.key);
  const auto nonce = array_from_hex<12>(vector.nonce);
  const auto sealed = seal(key, nonce, from_hex(vector.aad), from_hex(vector.plaintext)).value();
  CHECK(to_hex(sealed) == vector.ciphertext + vector.tag);
  CHECK(to_hex(open(key, nonce, from_hex(vector.aad), sealed).value().bytes()) == vector.plaintext);
}

TEST_CASE("a sealed message with one bit changed anywhere does not open") {
  const auto key = secret_from_hex(kKey);
  AeadNonce nonce = array_from_hex<12>("cafebabefacedbaddecaf888");
  auto aad = from_hex("feedfacedeadbeef");
  auto sealed = seal(key, nonce, aad, from_hex(kLong)).value();
  const auto refused = [&] {
    const auto opened = open(key, nonce, aad, sealed);
    return !opened && opened.error().code == ErrorCode::kUnauthenticated;
  };
  REQUIRE(open(key, nonce, aad, sealed));
  for (auto& byte : sealed) {
    byte ^= 1;
    CHECK(refused());
    byte ^= 1;
  }
  for (auto& byte : aad) {
    byte ^= 1;
    CHECK(refused());
    byte ^= 1;
  }
  for (auto& byte : nonce) {
    byte ^= 1;
    CHECK(refused());
    byte ^= 1;
  }
  CHECK(open(key, nonce, {}, sealed).error().code == ErrorCode::kUnauthenticated);
  CHECK(open(secret_from_hex(kZeros32), nonce, aad, sealed).error().code == ErrorCode::kUnauthenticated);
}

TEST_CASE("a sealed message cut short at any byte does not open") {
  const auto key = secret_from_hex(kKey);
  const AeadNonce nonce{};
  const auto sealed = seal(key, nonce, {}, from_hex("00112233")).value();
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    CHECK(open(key, nonce, {}, std::span(sealed).first(size)).error().code == ErrorCode::kUnauthenticated);
  }
}

TEST_CASE("a key of another size is refused") {
  for (const std::size_t size : {0UL, 16UL, 31UL, 33UL}) {
    const auto key = SecretBytes::allocate(size).value();
    CHECK(seal(key, {}, {}, {}).error().code == ErrorCode::kInvalidArgument);
    CHECK(open(key, {}, {}, std::vector<std::uint8_t>(16)).error().code == ErrorCode::kInvalidArgument);
  }
}
