#include <algorithm>

#include "common/job/cohort_rules.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/certified_consortium.h"
#include "tests/unit/common/secagg/consortium_bench.h"

/// The sum that the coordinator unmasks is the plain sum of the survivors, whichever sites drop out and when. Below the
/// threshold there is no sum.
///
/// Exhaustive: n = 3 and 4, all 6^n ways in which sites drop at one of five steps or never; n = 5 and 6, all ways to
/// choose how many sites drop at which step (252 and 462), each over a random order of the sites, and for n = 6 with c
/// = 1 and 2. Random: n up to 200. In all of them c is 1 or the default.
namespace consilium::secagg {
namespace {

constexpr std::size_t kConfirmation = 2;  // of SiteMessage
constexpr std::size_t kReveal = 3;

std::uint32_t default_colluding(std::size_t sites) { return std::max(1U, static_cast<std::uint32_t>(sites) / 3); }

/// The expected result of an attempt, determined only by counting.
Phase expected_end(const std::vector<Drop>& drops, std::uint32_t colluding) {
  const auto later = [&drops](Drop step) {
    return static_cast<std::size_t>(std::ranges::count_if(drops, [step](Drop drop) { return drop > step; }));
  };
  const std::size_t advertised = later(Drop::kAdvertise);
  if (advertised < job::smallest_cohort(colluding)) return Phase::kFailed;
  const std::size_t needed = job::threshold(static_cast<std::uint32_t>(advertised), colluding);
  return later(Drop::kUnmask) >= needed ? Phase::kUnmasked : Phase::kFailed;
}

/// Runs an attempt and returns what is wrong with its result, or nothing if it is correct.
std::string trouble(const Consortium& consortium, const std::vector<Drop>& drops, std::uint32_t colluding,
                    std::uint64_t seed) {
  BenchSetup setup;
  setup.colluding = colluding;
  setup.seed = seed;
  setup.words = 5;
  ConsortiumBench bench(consortium, setup);
  bench.run(drops);
  CoordinatorProtocol& coordinator = bench.coordinator();
  if (coordinator.phase() != expected_end(drops, colluding)) return "another end than the threshold says";
  if (!bench.left().empty()) return "an honest site left: " + bench.left().begin()->second;
  if (coordinator.phase() == Phase::kUnmasked) {
    const auto survived =
        static_cast<std::size_t>(std::ranges::count_if(drops, [](Drop drop) { return drop > Drop::kUpload; }));
    if (coordinator.survivors().size() != survived) return "a survivor is missing";
    return bench.unmasked_sum() == bench.plain_sum() ? "" : "another sum";
  }
  if (coordinator.failure().message.empty()) return "no reason";
  if (!coordinator.take_masks().empty()) return "masks of an attempt that failed";
  if (!coordinator.awaited().empty()) return "somebody is awaited after the end";
  const auto confirmed = bench.sent_of_kind(kConfirmation);
  if (coordinator.survivors().empty() && confirmed > 0) return "confirmed without a list";
  if (confirmed < coordinator.threshold() && bench.sent_of_kind(kReveal) > 0) return "revealed without confirmations";
  return "";
}

std::string shown(const std::vector<Drop>& drops) {
  std::string text;
  for (const Drop drop : drops) text += static_cast<char>('0' + static_cast<int>(drop));
  return text;
}

/// Generates every word of a length over 1 to 6, one after the other. Returns false after the last.
bool advance(std::vector<Drop>& drops) {
  for (Drop& drop : drops) {
    if (drop != Drop::kNever) {
      drop = static_cast<Drop>(static_cast<int>(drop) + 1);
      return true;
    }
    drop = Drop::kAdvertise;
  }
  return false;
}

void try_every_pattern(std::size_t sites, std::uint32_t colluding, bool orders) {
  const QuickConsortium consortium(sites);
  SeededRandom random(sites);
  std::vector<Drop> drops(sites, Drop::kAdvertise);
  std::uint64_t seed = 0;
  do {
    if (!orders && !std::ranges::is_sorted(drops)) continue;
    std::vector<Drop> placed = drops;
    for (std::size_t i = placed.size(); !orders && i > 1; --i) std::swap(placed[i - 1], placed[random.below(i)]);
    const std::string found = trouble(consortium, placed, colluding, ++seed);
    if (!found.empty()) FAIL(found << ": n = " << sites << ", c = " << colluding << ", drops " << shown(placed));
  } while (advance(drops));
}

}  // namespace

TEST_CASE("the unmasked sum is the survivors' plain sum: three and four sites, every way to drop out", "[slow]") {
  try_every_pattern(3, 1, true);
  try_every_pattern(4, 1, true);
}

TEST_CASE("the unmasked sum is the survivors' plain sum: five and six sites, any number dropping at each step",
          "[slow]") {
  try_every_pattern(5, 1, false);
  try_every_pattern(6, 1, false);
  try_every_pattern(6, 2, false);
}

TEST_CASE("the unmasked sum is the survivors' plain sum: up to 200 sites, some dropping anywhere", "[slow]") {
  SeededRandom random(4);
  for (const std::size_t sites : {10UL, 25UL, 60UL, 200UL}) {
    const QuickConsortium consortium(sites);
    for (const std::uint32_t colluding : {1U, default_colluding(sites)}) {
      if (sites == 200 && colluding == 1) continue;  // 40,000 boxes are enough
      std::vector<Drop> drops(sites, Drop::kNever);
      const std::size_t spare = sites - job::threshold(static_cast<std::uint32_t>(sites), colluding);
      for (std::size_t i = 0; i < spare; ++i)
        drops[random.below(sites)] =
            static_cast<Drop>(2 + random.below(4));  // not at the first step, so that n stays the same
      INFO("n = " << sites << ", c = " << colluding << ", drops " << shown(drops));
      CHECK(expected_end(drops, colluding) == Phase::kUnmasked);
      CHECK(trouble(consortium, drops, colluding, sites) == "");
    }
  }
}

TEST_CASE("real certificates sum the same") {
  const CertifiedConsortium consortium(5);
  const Drop never = Drop::kNever;
  CHECK(trouble(consortium, {never, never, never, never, never}, 1, 1) == "");
  CHECK(trouble(consortium, {never, Drop::kUpload, never, never, never}, 1, 2) == "");
  CHECK(trouble(consortium, {never, never, Drop::kUnmask, never, Drop::kShare}, 1, 3) == "");
}

TEST_CASE("too few sites end an attempt with its reason, at each step") {
  const QuickConsortium consortium(5);
  const auto why = [&consortium](Drop step, std::size_t gone) {
    std::vector<Drop> drops(5, Drop::kNever);
    std::fill_n(drops.begin(), gone, step);
    ConsortiumBench bench(consortium, {});
    bench.run(drops);
    REQUIRE(bench.coordinator().phase() == Phase::kFailed);
    CHECK(bench.coordinator().failure().code == ErrorCode::kFailedPrecondition);
    CHECK(bench.coordinator().take_masks().empty());
    return bench.coordinator().failure().message;
  };
  CHECK(why(Drop::kAdvertise, 3) == "2 sites advertised keys; 3 are needed if 1 may collude");
  CHECK(why(Drop::kShare, 2) == "3 of 5 sites shared keys, 4 are needed");
  CHECK(why(Drop::kUpload, 2) == "3 of 5 sites sent their vectors, 4 are needed");
  CHECK(why(Drop::kConfirm, 2) == "3 of 5 survivors confirmed, 4 are needed");
  CHECK(why(Drop::kUnmask, 2) == "too few shares were revealed, 4 of each site are needed");
}

}  // namespace consilium::secagg
