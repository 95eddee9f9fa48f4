#include "common/crypto/random_source.h"

#include <array>
#include <set>
#include <vector>

#include "tests/catch.h"

using consilium::crypto::SystemRandom;

TEST_CASE("random bytes don't repeat") {
  SystemRandom random;
  std::set<std::array<std::uint8_t, 16>> seen;
  for (int i = 0; i < 1000; ++i) {
    std::array<std::uint8_t, 16> bytes{};
    REQUIRE(random.fill(bytes));
    seen.insert(bytes);
  }
  CHECK(seen.size() == 1000);
}

TEST_CASE("all of a buffer is filled, the last byte too") {
  SystemRandom random;
  CHECK(random.fill({}));
  std::vector<std::uint8_t> bytes(1000);
  bool changed = false;
  for (int i = 0; i < 20 && !changed; ++i) {
    REQUIRE(random.fill(bytes));
    changed = bytes.back() != 0;
  }
  CHECK(changed);
}
