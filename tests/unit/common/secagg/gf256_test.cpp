#include "common/secagg/gf256.h"

#include "tests/catch.h"

using namespace consilium::secagg::gf256;

namespace {

/// Computes the product as FIPS 197, section 4.2, defines it: of polynomials, then the remainder.
unsigned product_of(unsigned a, unsigned b) {
  unsigned product = 0;
  for (unsigned i = 0; i < 8; ++i) product ^= (b >> i & 1u) != 0 ? a << i : 0;
  for (unsigned i = 14; i >= 8; --i) product ^= (product >> i & 1u) != 0 ? 0x11bu << (i - 8) : 0;
  return product;
}

std::uint8_t byte_of(unsigned value) { return static_cast<std::uint8_t>(value); }

}  // namespace

TEST_CASE("the field's products are those of FIPS 197's examples") {
  CHECK(multiply_public(0x57, 0x83) == 0xc1);
  CHECK(multiply_public(0x57, 0x13) == 0xfe);
  CHECK(multiply_public(0x57, 0x02) == 0xae);
  CHECK(multiply_public(0x57, 0x04) == 0x47);
  CHECK(multiply_public(0x57, 0x08) == 0x8e);
  CHECK(multiply_public(0x57, 0x10) == 0x07);
  CHECK(invert_public(0x53) == 0xca);
}

TEST_CASE("every product is the one of the definition, in each of the eight lanes, whatever the others hold") {
  std::size_t wrong = 0;
  for (unsigned a = 0; a < 256; ++a) {
    for (unsigned factor = 0; factor < 256; ++factor) {
      Lanes lanes = 0;
      for (unsigned lane = 0; lane < 8; ++lane) lanes |= static_cast<Lanes>((a + 37 * lane) & 0xff) << (8 * lane);
      const Lanes products = multiply(lanes, byte_of(factor));
      for (unsigned lane = 0; lane < 8; ++lane) {
        wrong += byte_of(static_cast<unsigned>(products >> (8 * lane))) != product_of((a + 37 * lane) & 0xff, factor);
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("every element but zero has its inverse") {
  for (unsigned a = 1; a < 256; ++a) CHECK(multiply_public(byte_of(a), invert_public(byte_of(a))) == 1);
}
