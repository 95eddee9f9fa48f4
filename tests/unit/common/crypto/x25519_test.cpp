#include "common/crypto/x25519.h"

#include "common/crypto/sha256.h"
#include "hex.h"
#include "tests/catch.h"

using namespace consilium::crypto;
using consilium::ErrorCode;

namespace {

static_assert(!std::is_copy_constructible_v<X25519KeyPair>);

X25519KeyPair pair_of(std::string_view private_key) {
  return X25519KeyPair::from_private(secret_from_hex(private_key)).value();
}

std::string x25519(std::string_view scalar, std::string_view u) {
  return to_hex(pair_of(scalar).agree(array_from_hex<32>(u)).value().bytes());
}

}  // namespace

TEST_CASE("X25519 gives the results of RFC 7748, section 5.2") {
  CHECK(x25519("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
               "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c") ==
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  CHECK(x25519("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
               "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493") ==
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

TEST_CASE("X25519 iterated gives the results of RFC 7748, section 5.2") {
  auto k = array_from_hex<32>("0900000000000000000000000000000000000000000000000000000000000000");
  auto u = k;
  const auto iterate = [&] {
    const auto result = X25519KeyPair::from_private(SecretBytes::copy_of(k).value()).value().agree(u).value();
    u = k;
    std::ranges::copy(result.bytes(), k.begin());
  };
  iterate();
  CHECK(to_hex(k) == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
  for (int i = 1; i < 1000; ++i) iterate();
  CHECK(to_hex(k) == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

TEST_CASE("two pairs agree as in RFC 7748, section 6.1") {
  const auto alice = pair_of("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const auto bob = pair_of("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  CHECK(to_hex(alice.public_key()) == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  CHECK(to_hex(bob.public_key()) == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const std::string shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  CHECK(to_hex(alice.agree(bob.public_key()).value().bytes()) == shared);
  CHECK(to_hex(bob.agree(alice.public_key()).value().bytes()) == shared);
}

TEST_CASE("a key whose result would be zero is refused") {
  // The points of order 1, 2, 4 and 8, and their forms that aren't reduced modulo 2^255 - 19.
  const auto u = GENERATE(values<std::string>({
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  }));
  const auto refused =
      pair_of("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a").agree(array_from_hex<32>(u));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("a pair is made of the random bytes that it is given, and survives by its private key") {
  const std::string bytes = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
  ScriptedRandom random(from_hex(bytes));
  auto pair = X25519KeyPair::generate(random).value();
  CHECK(to_hex(pair.private_key().bytes()) == bytes);
  CHECK(pair.public_key() == pair_of(bytes).public_key());
  CHECK_FALSE(X25519KeyPair::generate(random));  // no randomness, no key
  const X25519KeyPair moved = std::move(pair);
  CHECK(moved.agree(pair_of(bytes).public_key()));
  CHECK(X25519KeyPair::from_private(SecretBytes::allocate(31).value()).error().code == ErrorCode::kInvalidArgument);
}
