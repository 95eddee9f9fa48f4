#include "coordinator/admission/admission.h"

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <limits>
#include <span>

#include "common/job/job_signature.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/model/model_parameters.h"
#include "tests/catch.h"
#include "tests/unit/client/approval/signing.h"

using namespace consilium;

namespace {

struct TemporaryStore {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("consilium-admission-" + std::to_string(::getpid()));
  journal::BlobStore blobs = journal::BlobStore::open(folder).value();
  ~TemporaryStore() { std::filesystem::remove_all(folder); }
};

const std::string kAdmittedJob = R"(
name: tiny
model: {layers: [{linear: 2}], input: [3], classes: 2}
data: {dataset: d}
training: {local_epochs: 1, batch_size: 10, optimizer: {name: sgd, learning_rate: 0.1}}
federation: {rounds: 2}
strategy: {name: fedavg}
privacy: {secure_aggregation: SECURE}
seed: 3
)";

std::string job_with(const std::string& secure, const std::string& more = "") {
  std::string text = kAdmittedJob;
  text.replace(text.find("SECURE"), 6, secure);
  return text + more;
}

std::string vector_line(const crypto::Digest& digest) {
  return "initial_weights: {sha256: " + crypto::to_hex(digest) + "}\n";
}

}  // namespace

TEST_CASE("a job is submitted by whoever signed it, for this coordinator, and no later than it is valid") {
  const auto& people = approval::signing();
  const job::JobSpec spec = job::parse_job(job_with("off"), "job.yaml").value();
  const crypto::Digest digest = job::job_digest(spec);
  const pki::Identity self{"lung", pki::Role::kCoordinator, "hub"};
  constexpr std::int64_t kFar = 4'000'000'000;
  const auto check = [&](const job::JobSignature& signature, const std::string& researcher = "ada") {
    const auto good = admission::check_submitter(researcher, spec, signature, self, *people.trust);
    return good ? std::string("good") : std::string(name_of(good.error().code));
  };
  CHECK(check(people.sign("ada", digest, kFar)) == "good");
  CHECK(check(people.sign("bob", digest, kFar)) == "permission_denied");
  CHECK(check(people.sign("bob", digest, kFar), "bob") == "good");
  CHECK(check(people.sign("ada", crypto::sha256("another"), kFar)) == "unauthenticated");
  CHECK(check(people.sign("ada", digest, kFar, "spiffe://lung/coordinator/other")) == "permission_denied");
  CHECK(check(people.sign("ada", digest, 1)) == "deadline_exceeded");
  CHECK(check({}) == "unauthenticated");
}

TEST_CASE("an admitted job starts from the weights that its spec and seed give") {
  TemporaryStore store;
  const auto admitted = admission::admit(job_with("off"), store.blobs);
  REQUIRE(admitted.has_value());
  const ParameterVector expected = model::initial_weights(admitted->spec.model, 3).value();
  ParameterVector found(expected.size());
  REQUIRE(store.blobs.read(admitted->initial_model, 0, std::as_writable_bytes(std::span(found))).value() ==
          found.size() * sizeof(float));
  CHECK(found == expected);
}

TEST_CASE("a job with secure aggregation is refused without its sites' keys, and told how to get them in") {
  TemporaryStore store;
  const auto refused = admission::admit(job_with("required"), store.blobs);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kFailedPrecondition);
  CHECK(refused.error().message.starts_with("federation.roster: job 'tiny' uses secure aggregation"));
  CHECK(refused.error().message.find("consilium submit --roster FILE") != std::string::npos);
}

TEST_CASE("a job with secure aggregation and its sites' keys is admitted") {
  TemporaryStore store;
  const auto job =
      job::with_roster(job::parse_job(job_with("required"), "job").value(), job::simulated_roster({"a", "b", "c"}));
  const auto admitted = admission::admit(job::canonical_text(job.value()), store.blobs);
  REQUIRE(admitted.has_value());
  CHECK(admitted->spec == *job);
}

TEST_CASE("uploaded initial weights are checked before a site sees them") {
  TemporaryStore store;
  std::vector<float> weights(8, 0.5F);
  SECTION("a good vector is where the job starts") {
    const auto digest = store.blobs.put(std::as_bytes(std::span(weights))).value();
    const auto admitted = admission::admit(job_with("off", vector_line(digest)), store.blobs);
    REQUIRE(admitted.has_value());
    CHECK(admitted->initial_model == digest);
  }
  SECTION("a vector that was never uploaded is not found") {
    CHECK(admission::admit(job_with("off", vector_line(crypto::sha256("nothing"))), store.blobs).error().code ==
          ErrorCode::kNotFound);
  }
  SECTION("a vector of another size is refused") {
    weights.pop_back();
    const auto digest = store.blobs.put(std::as_bytes(std::span(weights))).value();
    CHECK(admission::admit(job_with("off", vector_line(digest)), store.blobs).error().code ==
          ErrorCode::kInvalidArgument);
  }
  SECTION("NaN and infinity are refused, the element named") {
    const float bad = GENERATE(std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity());
    weights[5] = bad;
    const auto digest = store.blobs.put(std::as_bytes(std::span(weights))).value();
    const auto refused = admission::admit(job_with("off", vector_line(digest)), store.blobs);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message.find("element 5") != std::string::npos);
  }
}

TEST_CASE("a path in a submitted job's initial_weights is refused: the server has no such file") {
  TemporaryStore store;
  CHECK(admission::admit(job_with("off", "initial_weights: /etc/passwd\n"), store.blobs).error().code ==
        ErrorCode::kInvalidArgument);
}
