#include "cli/job_file.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/model/model_parameters.h"
#include "common/parameters/safetensors.h"
#include "tests/catch.h"

namespace consilium::cli {
namespace {

using Catch::Contains;

/// A folder with a job and a roster of a, b, c and d.
struct Files {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("consilium-job-file-" + std::to_string(::getpid()));
  std::filesystem::path job = folder / "job.yaml";
  std::filesystem::path roster = folder / "roster.yaml";

  Files() {
    std::filesystem::create_directories(folder);
    std::ofstream out(roster);
    out << "consortium: lung\nsites:\n";
    for (const auto& [site, key] : job::simulated_roster({"a", "b", "c", "d"}))
      out << "  - {name: " << site << ", fingerprint: " << crypto::to_hex(key) << "}\n";
  }
  ~Files() { std::filesystem::remove_all(folder); }

  JobFile read(const std::string& federation, const std::string& privacy = "") const {
    std::ofstream(job) << "{name: x, model: {layers: [{linear: 2}], input: [3], classes: 2}, data: {dataset: d}, "
                          "training: {optimizer: {name: sgd, learning_rate: 0.1}}, federation: {rounds: 2"
                       << federation << "}, privacy: {" << privacy << "}}";
    return read_job_file(job).value();
  }
  std::string refusal(JobFile file) const {
    const auto filled = fill_roster(file, job, roster);
    REQUIRE_FALSE(filled);
    return filled.error().message;
  }
};

TEST_CASE("initial weights that fit partly are made whole here, and the job names the digest of the whole vector") {
  const Files files;
  const auto write_job = [&](const std::string& weights) {
    std::ofstream(files.job)
        << "{name: x, seed: 5, model: {layers: [{linear: 4}, {linear: 2}], input: [3], classes: 2}, "
           "data: {dataset: d}, training: {optimizer: {name: sgd, learning_rate: 0.1}}, federation: "
           "{rounds: 2}, initial_weights: "
        << weights << "}";
  };
  model::ModelSpec other;
  other.layers = {model::Linear{.out_features = 4}, model::Linear{.out_features = 9}};
  other.input = {3};
  other.classes = 9;
  const ParameterVector pretrained = model::initial_weights(other, 1).value();
  REQUIRE(write_safetensors(files.folder / "start.safetensors", model::build_manifest(other).value(), pretrained, {}));

  write_job("{path: start.safetensors, replace: ['1']}");
  const auto job = read_job_file(files.job);
  if (!job) FAIL(job.error().message);
  const ParameterVector drawn = model::initial_weights(job->spec.model, 5).value();
  REQUIRE(job->initial_weights.size() == 16 + 10);
  CHECK(std::equal(pretrained.begin(), pretrained.begin() + 16, job->initial_weights.begin()));
  CHECK(std::equal(drawn.begin() + 16, drawn.end(), job->initial_weights.begin() + 16));
  CHECK(job->spec.initial_weights_digest == crypto::sha256(std::as_bytes(std::span(job->initial_weights))));
  CHECK_FALSE(job->spec.initial_weights);
  // Sites and coordinator read the job like any other: it has a digest, and no trace of how the vector was made.
  CHECK_THAT(job::canonical_text(job->spec), !Contains("replace") && Contains("\"initial_weights\":{\"sha256\":"));
  CHECK(job->weights_in_words ==
        "2 tensors from start.safetensors; 1.weight, 1.bias from the seed; not used: the "
        "file's 1.bias, 1.weight");

  write_job("start.safetensors");
  const auto refused = read_job_file(files.job);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::StartsWith("job.yaml: initial_weights: ") &&
                                          Contains("1.weight has [9, 4], expected [2, 4]") &&
                                          Contains("name in initial_weights.replace the layers"));
}

TEST_CASE("a roster file completes a job with secure aggregation: all its sites, or those that the job lists") {
  const Files files;
  JobFile all = files.read("");
  REQUIRE(fill_roster(all, files.job, files.roster));
  CHECK(all.spec.federation.roster == job::simulated_roster({"a", "b", "c", "d"}));
  CHECK(job::check_masked(all.spec));
  JobFile some = files.read(", sites: [d, a, b]");
  REQUIRE(fill_roster(some, files.job, files.roster));
  CHECK(some.spec.federation.roster == job::simulated_roster({"a", "b", "d"}));
  CHECK(some.spec.federation.sites == std::vector<std::string>{"d", "a", "b"});
}

TEST_CASE("a roster that doesn't fit the job is refused, and both files are named") {
  const Files files;
  CHECK(files.refusal(files.read(", sites: [a, b, z]")) ==
        "job.yaml: federation.sites: 'z' isn't in the roster (--roster " + files.roster.string() + ")");
  CHECK_THAT(files.refusal(files.read("", "secure_aggregation: off")), Contains("leave the roster out"));
  std::ofstream(files.roster) << "consortium: lung\nsites: [{name: a}]\n";
  CHECK_THAT(files.refusal(files.read("")), Contains("roster.yaml: sites[0].fingerprint: this key is missing"));
}

}  // namespace
}  // namespace consilium::cli
