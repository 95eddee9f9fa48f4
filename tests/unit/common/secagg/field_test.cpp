#include "common/secagg/field.h"

#include <array>

#include "common/crypto/sha256.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/consortium.h"

namespace consilium::secagg {
namespace {

constexpr FieldElement kP = kFieldPrime;

/// The results of the same computation in Python.
struct Vector {
  FieldElement a, b, sum, difference, product;
};
constexpr Vector kVectors[] = {
    {kP - 1, kP - 1, kP - 2, 0, 1},
    {kP - 1, 2, 1, kP - 3, kP - 2},
    {1ULL << 60, 1ULL << 60, 1, 0, 1ULL << 59},
    {0x1236eb092265b1f5, 0x19ac27c6d8f16adf, 0x0be312cffb571cd5, 0x188ac34249744715, 0x18c49106e3a0536c},
    {0x0204f89ac386bbc4, 0x03c5fd71414c343c, 0x05caf60c04d2f000, 0x1e3efb29823a8787, 0x155b811522348d76},
    {0, 0, 0, 0, 0},
    {0, kP - 1, kP - 1, 1, 0},
};

}  // namespace

TEST_CASE("field arithmetic agrees with vectors of another implementation") {
  for (const Vector& vector : kVectors) {
    CHECK(field_add(vector.a, vector.b) == vector.sum);
    CHECK(field_sub(vector.a, vector.b) == vector.difference);
    CHECK(field_mul(vector.a, vector.b) == vector.product);
  }
  CHECK(field_power(0x1859cde87ed4d57b, 0x123456789abcdef) == 0xcbd8d5ac185e729);
  CHECK(field_power(3, 0) == 1);
  CHECK(field_power(3, kP - 1) == 1);  // Fermat
}

TEST_CASE("field arithmetic agrees with division, on ten thousand random pairs and at the edges") {
  __extension__ using Unsigned = unsigned __int128;
  SeededRandom random(61);
  const std::array<FieldElement, 6> edges{0, 1, 2, kP / 2, kP - 2, kP - 1};
  for (int i = 0; i < 10'000; ++i) {
    const FieldElement a = i < 36 ? edges[static_cast<std::size_t>(i) / 6] : random.number() % kP;
    const FieldElement b = i < 36 ? edges[static_cast<std::size_t>(i) % 6] : random.number() % kP;
    if (field_add(a, b) != (a + b) % kP) FAIL(a << " + " << b);
    if (field_sub(a, b) != (a + kP - b) % kP) FAIL(a << " - " << b);
    if (field_mul(a, b) != static_cast<FieldElement>(Unsigned{a} * b % kP)) FAIL(a << " * " << b);
  }
}

TEST_CASE("any u64, any 16 bytes and any sum of products become an element below p") {
  for (const std::uint64_t value : {std::uint64_t{0}, kP - 1, kP, kP + 1, 2 * kP, 8 * kP, UINT64_MAX})
    CHECK(field_from(value) == value % kP);
  std::array<std::uint8_t, 16> bytes{};
  CHECK(field_from(bytes) == 0);
  bytes.fill(0xFF);
  CHECK(field_from(bytes) == 0x3F);
  for (std::size_t i = 0; i < 16; ++i) bytes[i] = static_cast<std::uint8_t>(i);
  CHECK(field_from(bytes) == 0x1f766d645b524943);
  bytes = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F};  // p itself
  CHECK(field_from(bytes) == 0);

  CHECK(field_from_wide(0) == 0);
  CHECK(field_from_wide(-1) == kP - 1);
  CHECK(field_from_wide(Wide{kP} * 12345) == 0);
  CHECK(field_from_wide(Wide{kP} * -12345 - 7) == kP - 7);
  const Wide largest = (Wide{1} << 119) - 1;
  CHECK(field_from_wide(largest) == static_cast<FieldElement>(largest % kP));
  CHECK(field_from_wide(-largest) == kP - static_cast<FieldElement>(largest % kP));
}

}  // namespace consilium::secagg
