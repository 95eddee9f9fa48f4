#include "common/crypto/sha256.h"

#include <string>

#include "tests/catch.h"

using consilium::crypto::digest_from_hex;
using consilium::crypto::sha256;
using consilium::crypto::Sha256;
using consilium::crypto::to_hex;

TEST_CASE("SHA-256 gives the digests of FIPS 180-4's examples") {
  CHECK(to_hex(sha256("")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(to_hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(to_hex(sha256(std::string(1'000'000, 'a'))) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("a stream of pieces hashes like the whole, and the object begins anew after each digest") {
  const std::string text(1000, 'x');
  Sha256 hash;
  for (int round = 0; round < 2; ++round) {
    for (std::size_t at = 0; at < text.size(); at += 7) {
      hash.update(std::as_bytes(std::span(text).subspan(at, std::min<std::size_t>(7, text.size() - at))));
    }
    CHECK(hash.finish() == sha256(text));
  }
}

TEST_CASE("a digest survives hexadecimal, and nothing else is read as one") {
  const auto digest = sha256("abc");
  CHECK(digest_from_hex(to_hex(digest)).value() == digest);
  std::string wrong = to_hex(digest);
  wrong[10] = 'g';
  CHECK_FALSE(digest_from_hex(wrong));
  CHECK_FALSE(digest_from_hex(to_hex(digest) + "0"));
  CHECK_FALSE(digest_from_hex(""));
}
