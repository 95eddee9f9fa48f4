#include "common/secagg/sum_keys.h"

#include <set>

#include "common/secagg/field.h"
#include "tests/catch.h"

namespace consilium::secagg {
namespace {

crypto::SecretBytes counting_key(std::size_t size = kSumKeyBytes) {
  crypto::SecretBytes key = crypto::SecretBytes::allocate(size).value();
  for (std::size_t i = 0; i < size; ++i) key.bytes()[i] = static_cast<std::uint8_t>(i);
  return key;
}

std::string hex(const Result<crypto::SecretBytes>& secret) { return crypto::to_hex(secret.value().bytes()); }

}  // namespace

TEST_CASE("what follows from the job's key agrees with vectors of another implementation") {
  const auto key = counting_key();
  CHECK(hex(tag_key(key, job::SumKind::kTrain, 7)) == "05de88067b061738fec0e227985879cd");
  CHECK(hex(tag_offset(key, job::SumKind::kTrain, 7, 3, crypto::sha256("a cohort"))) ==
        "01d5fc7241e1e1379d56f8097dba54c4");
}

TEST_CASE("each kind, round, group, cohort, job and key has secrets of its own") {
  const auto cohort = crypto::sha256("a cohort");
  auto other_key = counting_key();
  other_key.bytes()[31] ^= 1;
  std::set<std::string> all;
  const auto key = counting_key();
  using job::SumKind;
  all.insert(hex(tag_key(key, SumKind::kTrain, 1)));
  all.insert(hex(tag_key(key, SumKind::kEvaluate, 1)));
  all.insert(hex(tag_key(key, SumKind::kTrain, 2)));
  all.insert(hex(tag_key(other_key, SumKind::kTrain, 1)));
  all.insert(hex(tag_offset(key, SumKind::kTrain, 1, 0, cohort)));
  all.insert(hex(tag_offset(key, SumKind::kCensus, 1, 0, cohort)));
  all.insert(hex(tag_offset(key, SumKind::kTrain, 2, 0, cohort)));
  all.insert(hex(tag_offset(key, SumKind::kTrain, 1, 1, cohort)));
  all.insert(hex(tag_offset(key, SumKind::kTrain, 1, 0, crypto::sha256("another"))));
  all.insert(hex(tag_offset(other_key, SumKind::kTrain, 1, 0, cohort)));
  CHECK(all.size() == 10);
}

TEST_CASE("a job's key of another size is refused") {
  CHECK(tag_key(counting_key(31), job::SumKind::kTrain, 1).error().message ==
        "the job's key: expected 32 bytes, found 31");
  CHECK_FALSE(tag_offset({}, job::SumKind::kTrain, 1, 0, {}));
}

}  // namespace consilium::secagg
