#include "common/crypto/hkdf.h"

#include "common/crypto/sha256.h"
#include "hex.h"
#include "tests/catch.h"

using namespace consilium::crypto;
using consilium::ErrorCode;

namespace {

std::string derive(std::string_view key, std::string_view salt, std::string_view info, std::size_t size) {
  return to_hex(hkdf_sha256(secret_from_hex(key), from_hex(salt), from_hex(info), size).value().bytes());
}

/// Returns the bytes from `first` to `last` in hexadecimal.
std::string sequence(unsigned first, unsigned last) {
  std::vector<std::uint8_t> bytes;
  for (unsigned byte = first; byte <= last; ++byte) bytes.push_back(static_cast<std::uint8_t>(byte));
  return to_hex(bytes);
}

}  // namespace

TEST_CASE("HKDF gives the keys of RFC 5869, test cases 1 to 3") {
  const std::string key = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";
  CHECK(derive(key, sequence(0x00, 0x0c), sequence(0xf0, 0xf9), 42) ==
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  CHECK(derive(sequence(0x00, 0x4f), sequence(0x60, 0xaf), sequence(0xb0, 0xff), 82) ==
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
  CHECK(derive(key, "", "", 42) ==
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST_CASE("keys for different purposes, salts and inputs have nothing in common") {
  const std::string key = sequence(0, 31);
  const std::string derived = derive(key, "01", "0203", 32);
  CHECK(derive(key, "01", "0204", 32) != derived);
  CHECK(derive(key, "02", "0203", 32) != derived);
  CHECK(derive(sequence(1, 32), "01", "0203", 32) != derived);
  CHECK(derive(key, "01", "0203", 64).substr(0, 64) == derived);  // a longer output extends a shorter one
}

TEST_CASE("HKDF refuses sizes beyond its bounds") {
  const auto key = secret_from_hex(sequence(0, 31));
  CHECK(hkdf_sha256(key, {}, std::vector<std::uint8_t>(2048), 255 * 32));
  CHECK(hkdf_sha256(key, {}, {}, 255 * 32 + 1).error().code == ErrorCode::kInvalidArgument);
  CHECK(hkdf_sha256(key, {}, {}, 0).error().code == ErrorCode::kInvalidArgument);
  CHECK(hkdf_sha256(key, {}, std::vector<std::uint8_t>(2049), 32).error().code == ErrorCode::kInvalidArgument);
  CHECK(hkdf_sha256(SecretBytes(), {}, {}, 32));
}
