#include "cli/job_file.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "common/job/masked_job.h"

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
