// Runs one primitive with its secrets marked as undefined memory, so that valgrind's memcheck reports every branch and
// every address that depends on them (Langley's ctgrind). What may be known afterwards is declared so, by name.
//   valgrind --error-exitcode=9 secret_taint CASE
#include <valgrind/memcheck.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "common/crypto/random_source.h"
#include "common/crypto/secret_bytes.h"
#include "common/secagg/agreement_transcript.h"
#include "common/secagg/group_transcript.h"
#include "common/secagg/mask.h"
#include "common/secagg/shamir.h"
#include "common/secagg/sum_keys.h"
#include "common/secagg/tag.h"

namespace {

using namespace consilium;
using crypto::SecretBytes;

/// Marks bytes as secret.
template <class Byte>
void taint(std::span<Byte> bytes) {
  VALGRIND_MAKE_MEM_UNDEFINED(bytes.data(), bytes.size_bytes());
}

/// Marks bytes as public again.
template <class Byte>
void declassify(std::span<Byte> bytes) {
  VALGRIND_MAKE_MEM_DEFINED(bytes.data(), bytes.size_bytes());
}

/// Returns random bytes, marked as secret.
class TaintedRandom final : public crypto::RandomSource {
 public:
  Result<void> fill(std::span<std::uint8_t> bytes) override {
    CONSILIUM_TRY(crypto::SystemRandom().fill(bytes));
    taint(bytes);
    return {};
  }
};

SecretBytes tainted_secret(std::size_t size) {
  auto secret = SecretBytes::allocate(size).value();
  (void)TaintedRandom().fill(secret.bytes());
  return secret;
}

std::vector<secagg::ShareView> views(const std::vector<SecretBytes>& shares) {
  std::vector<secagg::ShareView> result;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    result.push_back({static_cast<std::uint8_t>(i + 1), shares[i].bytes()});
  }
  return result;
}

bool declassified_equal(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  bool same = crypto::equal_in_constant_time(a, b);
  declassify(std::span(&same, 1));
  return same;
}

/// Splits a secret and rebuilds it. The secret, the coefficients and the shares are marked as secret; every x is
/// public.
bool split_and_combine() {
  TaintedRandom random;
  for (const std::size_t size : {1, 32, 33}) {
    const auto secret = tainted_secret(size);
    auto shares = secagg::split(secret, 5, 9, random);
    if (!shares) return false;
    const auto rebuilt = secagg::combine(views(*shares));
    if (!rebuilt || !declassified_equal(rebuilt->bytes(), secret.bytes())) return false;
  }
  return true;
}

/// Shares from other sites, which are themselves secret.
bool combine() {
  std::vector<SecretBytes> shares;
  for (int i = 0; i < 7; ++i) shares.push_back(tainted_secret(32));
  auto secret = secagg::combine(views(shares));
  if (!secret) return false;
  declassify(secret->bytes());
  return true;
}

/// Equal secrets, and secrets that differ at their first, middle and last byte.
bool compare() {
  const auto secret = tainted_secret(64);
  auto other = secret.clone().value();
  bool good = declassified_equal(secret.bytes(), other.bytes());
  for (const std::size_t at : {0, 31, 63}) {
    other.bytes()[at] ^= 1;
    good = good && !declassified_equal(secret.bytes(), other.bytes());
    other.bytes()[at] ^= 1;
  }
  return good;
}

/// Secret keys over a secret vector.
bool mask() {
  std::vector<secagg::MaskTerm> terms;
  terms.push_back({tainted_secret(32), false});
  terms.push_back({tainted_secret(32), true});
  std::vector<std::uint32_t> words(5000);
  taint(std::span(words));
  return secagg::add_masks(terms, 3, words).has_value();
}

/// The job's key, the values derived from it, and the key of a mask.
bool group_keys() {
  const auto key = tainted_secret(secagg::kSumKeyBytes);
  const auto r = secagg::tag_key(key, job::SumKind::kTrain, 1);
  const auto s = secagg::tag_offset(key, job::SumKind::kTrain, 1, 0, {});
  const auto confirmation = secagg::agreement_confirmation(key, {});
  const auto mask = secagg::pair_mask_key(tainted_secret(32), {}, "east", "north");
  return r && s && confirmation && mask;
}

/// The two sides of one comparison of public values that are computed only from secrets.
bool fits(const SecretBytes& r, std::span<const std::uint32_t> words, std::span<const secagg::GroupTag> groups) {
  const auto value = secagg::accumulate_tag(r, words);
  bool same = value && secagg::check_tag(*value, groups);
  declassify(std::span(&same, 1));
  return same;
}

/// A site's masked tag from secret words under secret keys, and the check of a total, whose result is public.
bool tag() {
  const auto r = tainted_secret(secagg::kFieldSecretBytes);
  std::vector<secagg::MaskTerm> terms;
  terms.push_back({tainted_secret(32), false});
  terms.push_back({tainted_secret(32), true});
  std::vector<std::uint32_t> words(5000);
  taint(std::span(words));
  const auto value = secagg::accumulate_tag(r, words);
  const auto mask = secagg::tag_mask(terms, words.size());
  if (!value || !mask) return false;
  auto masked = secagg::masked_tag(tainted_secret(secagg::kFieldSecretBytes), *value, *mask);
  if (!masked) return false;
  declassify(std::span(&*masked, 1));

  std::vector<secagg::GroupTag> groups;
  groups.push_back({1, tainted_secret(secagg::kFieldSecretBytes), 0});
  auto tag = secagg::masked_tag(groups[0].offset, *value, 0);
  if (!tag) return false;
  declassify(std::span(&*tag, 1));
  groups[0].tag = *tag;
  const bool fitted = fits(r, words, groups);
  groups[0].tag ^= 1;
  return fitted && *masked < secagg::kFieldPrime && !fits(r, words, groups);
}

/// A branch on a secret, which valgrind must report.
bool control_branch() {
  const auto secret = tainted_secret(32);
  volatile int counter = 0;
  if (secret.bytes()[0] < 128) counter = counter + 1;
  return true;
}

/// A table look-up at a secret index, which valgrind must report.
bool control_table() {
  const auto secret = tainted_secret(32);
  static volatile int table[256] = {};
  volatile int value = table[secret.bytes()[0]];
  (void)value;
  return true;
}

/// A std::memcmp of secrets, which stops at the first difference and which valgrind must report.
bool control_memcmp() {
  const auto a = tainted_secret(32);
  const auto b = tainted_secret(32);
  volatile int order = std::memcmp(a.bytes().data(), b.bytes().data(), 32);
  (void)order;
  return true;
}

struct Case {
  const char* name;
  bool (*run)();
};

constexpr Case kCases[] = {
    {"split_and_combine", split_and_combine},
    {"combine", combine},
    {"compare", compare},
    {"mask", mask},
    {"group_keys", group_keys},
    {"tag", tag},
    {"control_branch", control_branch},
    {"control_table", control_table},
    {"control_memcmp", control_memcmp},
};

}  // namespace

int main(int argc, char** argv) {
  if (RUNNING_ON_VALGRIND == 0) {
    std::fputs("secret_taint: without valgrind this shows nothing\n", stderr);
    return 2;
  }
  for (const Case& each : kCases) {
    if (argc != 2 || std::strcmp(argv[1], each.name) != 0) continue;
    const bool right = each.run();
    std::printf("%s: %s\n", each.name, right ? "right" : "a wrong result");
    return right ? 0 : 1;
  }
  std::fputs("Usage: valgrind secret_taint CASE\n", stderr);
  return 2;
}
