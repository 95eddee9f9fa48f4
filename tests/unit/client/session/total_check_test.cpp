#include "client/session/total_check.h"

#include <fstream>

#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/job/round_order.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::session {
namespace {

job::JobSpec job_of_three_groups() {
  const auto parsed = job::parse_job(
      "name: points\nmodel: {layers: [{linear: 2}], input: [4], classes: 2}\ndata: {dataset: points}\n"
      "training: {local_epochs: 1, batch_size: 5, optimizer: {name: sgd, learning_rate: 0.1}}\n"
      "federation: {rounds: 2, quorum: 0.6}\nseed: 3\n",
      "job.yaml");
  REQUIRE(parsed);
  const std::vector<std::string> sites{"a", "b", "c", "d", "e", "f", "g", "h", "i"};
  const auto spec = job::with_population(*parsed, job::simulated_roster(sites), 1,
                                         {"points", 10, {{"a", "b", "c"}, {"d", "e", "f"}, {"g", "h", "i"}}, {}});
  if (!spec) FAIL(spec.error().message);
  return *spec;
}

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST_CASE("totals that never arrive whole, of however many sums, leave three files at most") {
  // For sums over groups other than this site's, a coordinator can state any total.
  const pki::TemporaryFolder folder;
  auto ledger = masking::GroupLedger::open(folder.path());
  REQUIRE(ledger.has_value());
  const auto secret = masking::SiteSecret::open(folder / "site.secret");
  REQUIRE(secret.has_value());
  auto keys = masking::JobKeys::open(folder / "keys", *secret);
  REQUIRE(keys.has_value());
  std::filesystem::create_directories(folder / "models");
  masking::SiteTrust trust;
  trust.site = "g";
  const auto broken_off = [](const crypto::Digest&, std::uint64_t bytes, const std::filesystem::path& file) {
    std::ofstream(file) << std::string(bytes - 1, 'x');
    return Result<void>(fail(ErrorCode::kUnavailable, "the stream broke"));
  };
  TotalCheck check({trust, *ledger, *keys, ModelCache(folder / "models"), broken_off,
                    [](const auto&) { return std::span<const float>(); }, [](const auto&, auto) { return false; }});
  const job::JobSpec job = job_of_three_groups();
  wire::GroupTotal total{{"job-1", job::SumKind::kCensus, 0, 1}, {}, {}, 0};
  total.words = job::expected_order(job, total.key, 0, {}, 0)->layout.word_count();
  total.sums = {{0, crypto::sha256("0"), 0}, {1, crypto::sha256("1"), 0}};
  for (int i = 0; i < 10; ++i) {
    total.total = crypto::sha256("total " + std::to_string(i));
    const auto signed_commit = check.endorse(total, job, crypto::sha256("job " + std::to_string(i)));
    REQUIRE_FALSE(signed_commit);
    INFO(signed_commit.error().message);
    REQUIRE(signed_commit.error().code == ErrorCode::kUnavailable);
    CHECK(files_in(folder / "models") <= 3);
  }
  CHECK(std::filesystem::exists(folder / ("models/" + crypto::to_hex(total.total) + ".total")));  // to be continued
}

}  // namespace
}  // namespace consilium::session
