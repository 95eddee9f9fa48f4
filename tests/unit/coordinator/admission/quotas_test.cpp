#include "coordinator/admission/quotas.h"

#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using namespace consilium;
using namespace consilium::admission;

namespace {

struct Bench {
  pki::TemporaryFolder folder;
  journal::BlobStore blobs = journal::BlobStore::open(folder / "blobs").value();
  UploadedWeights weights{1000, blobs};
  UploadedWeights::Clock::time_point now{std::chrono::hours(1)};

  crypto::Digest put(const std::string& researcher, char letter, std::size_t bytes) {
    const std::string text(bytes, letter);
    const auto digest = blobs.put(std::as_bytes(std::span(text))).value();
    REQUIRE(weights.add(researcher, digest, bytes, now));
    now += std::chrono::minutes(1);
    return digest;
  }
  [[nodiscard]] bool there(const crypto::Digest& digest) const { return blobs.size(digest).has_value(); }
};

}  // namespace

TEST_CASE("a researcher with as many unended jobs as the quota is told what to do") {
  Quotas quotas;
  quotas.jobs = 2;
  CHECK(check_job_quota(quotas, "ada", 1));
  const auto refused = check_job_quota(quotas, "ada", 2);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kResourceExhausted);
  CHECK_THAT(refused.error().message, Catch::Contains("ada has 2 jobs") && Catch::Contains("quotas.jobs") &&
                                          Catch::Contains("consilium stop JOB_ID"));
}

TEST_CASE("weights that no job uses go after an hour, and others stay") {
  Bench bench;
  const auto first = bench.put("ada", 'a', 100);
  const auto second = bench.put("ada", 'b', 100);
  const auto due = bench.weights.next_expiry();
  REQUIRE(due.has_value());
  bench.weights.expire(*due - std::chrono::seconds(1));
  CHECK(bench.there(first));
  bench.weights.expire(*due);
  CHECK_FALSE(bench.there(first));
  CHECK_FALSE(bench.weights.has("ada", first));
  CHECK(bench.there(second));
  CHECK(bench.weights.unused_bytes("ada") == 100);
}

TEST_CASE("unused weights make room for new ones, the oldest first, and never another researcher's") {
  Bench bench;
  const auto others = bench.put("grace", 'g', 900);
  const auto oldest = bench.put("ada", 'a', 400);
  const auto newer = bench.put("ada", 'b', 400);
  CHECK(bench.weights.make_room("ada", 200, 0));
  CHECK(bench.there(oldest));
  CHECK(bench.weights.make_room("ada", 300, 0));
  CHECK_FALSE(bench.there(oldest));
  CHECK(bench.there(newer));
  CHECK(bench.there(others));
}

TEST_CASE("weights that can't fit beside those of the researcher's jobs are refused, and nothing is released") {
  Bench bench;
  const auto unused = bench.put("ada", 'a', 100);
  for (const auto& [bytes, in_jobs] : {std::pair(1001ULL, 0ULL), std::pair(500ULL, 501ULL), std::pair(~0ULL, 1ULL)}) {
    const auto refused = bench.weights.make_room("ada", bytes, in_jobs);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kResourceExhausted);
    CHECK_THAT(refused.error().message, Catch::Contains("quotas.weights") && Catch::Contains("consilium stop"));
  }
  CHECK(bench.there(unused));
  CHECK(bench.weights.make_room("ada", 500, 400));
}

TEST_CASE("a job that uses weights keeps them beyond their hour, and the same weights of two researchers are two") {
  Bench bench;
  const auto digest = bench.put("ada", 'a', 100);
  CHECK(bench.put("grace", 'a', 100) == digest);
  bench.blobs.retain(digest);  // as a job does
  bench.weights.used("ada", digest);
  CHECK_FALSE(bench.weights.has("ada", digest));
  CHECK(bench.weights.has("grace", digest));
  bench.weights.expire(bench.now + std::chrono::hours(2));
  CHECK(bench.there(digest));
  bench.blobs.release(digest);
  CHECK_FALSE(bench.there(digest));
}

TEST_CASE("weights that are sent again begin their hour anew") {
  Bench bench;
  const auto digest = bench.put("ada", 'a', 100);
  const auto first_due = *bench.weights.next_expiry();
  bench.put("ada", 'a', 100);
  CHECK(bench.weights.unused_bytes("ada") == 100);
  bench.weights.expire(first_due);
  CHECK(bench.there(digest));
  bench.weights.expire(*bench.weights.next_expiry());
  CHECK_FALSE(bench.there(digest));
}

TEST_CASE("weights that were removed while they arrived are asked for again") {
  Bench bench;
  CHECK(bench.weights.add("ada", crypto::sha256("gone"), 4, bench.now).error().code == ErrorCode::kUnavailable);
  CHECK(bench.weights.unused_bytes("ada") == 0);
}
