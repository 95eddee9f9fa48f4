#include "common/report/result_folder.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "common/crypto/sha256.h"
#include "common/files/temporary_folder.h"
#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "common/parameters/safetensors.h"
#include "common/report/report_files.h"
#include "tests/catch.h"

namespace consilium::report {
namespace {

using Catch::Contains;

constexpr const char* kLabellerJob = R"(
name: labels
model: {layers: [{linear: 2}], input: [3], classes: 2}
task: {name: multi_label, threshold: 0.25}
data: {dataset: chest, normalize: {mean: 0.5, std: 0.25}}
training: {optimizer: {name: sgd, learning_rate: 0.01}}
federation: {rounds: 3}
privacy: {secure_aggregation: off}
)";

/// Returns the files of a run of three rounds. The model is that of the second one, as with evaluation.keep: best.
struct Results {
  files::TemporaryFolder folder = files::TemporaryFolder::create("trained-model-").value();
  job::JobSpec job = job::parse_job(kLabellerJob, "job.yaml").value();
  ParameterManifest manifest = model::build_manifest(job.model).value();
  ParameterVector model{0.5F, -1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F, 7.0F};

  explicit Results(JobPhase phase = JobPhase::kFinished) {
    Report report;
    report.spec = job;
    report.status.job_id = "labels-1";
    report.status.phase = phase;
    report.status.detail = "too few sites";
    for (std::uint32_t round = 1; round <= 3; ++round) {
      RoundRecord record;
      record.round = round;
      if (round == 2) record.model = crypto::sha256(std::as_bytes(std::span(model)));
      report.status.history.push_back(record);
    }
    report.status.model = report.status.history[1].model;
    REQUIRE(write_report_folder(path(), report, manifest, model));
  }

  [[nodiscard]] const std::filesystem::path& path() const { return folder.path(); }
  [[nodiscard]] std::filesystem::path job_file() const {
    std::ofstream(path() / "job.yaml") << kLabellerJob;
    return path() / "job.yaml";
  }
  void write_report(const std::string& text) const { std::ofstream(path() / kReportFile) << text; }
  [[nodiscard]] Error refusal() const {
    const auto read = read_result_folder(path());
    REQUIRE_FALSE(read);
    return read.error();
  }
};

TEST_CASE("a result folder's model is read with its job, and the round that it is of") {
  const Results results;
  for (const auto& from : {results.path(), results.path() / kModelFile}) {
    const auto read = read_result_folder(from);
    REQUIRE(read);
    CHECK(read->spec == results.job);
    CHECK(read->manifest == results.manifest);
    CHECK(read->model == results.model);
    CHECK(read->round == 2);
  }
}

TEST_CASE("a model is read with a job's file where no report lies beside it") {
  const Results results;
  std::filesystem::remove(results.path() / kReportFile);
  CHECK(results.refusal().code == ErrorCode::kNotFound);
  CHECK_THAT(results.refusal().message, Contains("report.json: no such file"));
  const auto read = read_result_folder(results.path() / kModelFile, results.job_file());
  REQUIRE(read);
  CHECK(read->spec == results.job);
  CHECK_FALSE(read->round);
}

TEST_CASE("the model of a failed job comes with why it failed") {
  CHECK(read_result_folder(Results(JobPhase::kFailed).path())->failure == "too few sites");
  CHECK_FALSE(read_result_folder(Results(JobPhase::kStopped).path())->failure);
}

TEST_CASE("a model whose tensors aren't the job's is refused, and the message names both files") {
  const Results results;
  model::ModelSpec other = results.job.model;
  other.layers = {model::Linear{.out_features = 5}};
  const ParameterManifest manifest = model::build_manifest(other).value();
  REQUIRE(write_safetensors(results.path() / kModelFile, manifest, ParameterVector(20), {}));
  CHECK(results.refusal().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(results.refusal().message, Contains("model.safetensors: ") && Contains("'0.weight'") &&
                                            Contains("expected the model of job 'labels' in ") &&
                                            Contains("report.json"));
}

TEST_CASE("another model than the one that the report names is refused") {
  const Results results;
  ParameterVector changed = results.model;
  changed[3] += 1.0F;
  REQUIRE(write_safetensors(results.path() / kModelFile, results.manifest, changed, {}));
  CHECK(results.refusal().code == ErrorCode::kDataLoss);
  CHECK_THAT(results.refusal().message, Contains("model.safetensors: is not the model that ") && Contains("SHA-256"));
}

TEST_CASE("a report whose job was changed is refused, and so is one with a number for the model's digest") {
  const Results results;
  std::ifstream file(results.path() / kReportFile);
  const auto written = nlohmann::json::parse(file);
  auto changed = written;
  changed["job"]["seed"] = 12345;
  results.write_report(changed.dump());
  CHECK(results.refusal().code == ErrorCode::kDataLoss);
  CHECK_THAT(results.refusal().message, Contains("report.json: job: was changed after the report was written"));
  changed = written;
  changed["model"] = 5;
  results.write_report(changed.dump());
  CHECK_THAT(results.refusal().message, Contains("model: expected the SHA-256"));
}

TEST_CASE("a report that isn't one is refused") {
  const Results results;
  const auto refusal_of = [&](const std::string& text) {
    results.write_report(text);
    const Error error = results.refusal();
    CHECK(error.code == ErrorCode::kInvalidArgument);
    CHECK_THAT(error.message, Contains("report.json: "));
    return error.message;
  };
  CHECK_THAT(refusal_of("no JSON"), Contains("is not JSON"));
  for (const char* text : {"[1]", "{}"})
    CHECK_THAT(refusal_of(text), Contains("expected a report of a job, with the key 'job'"));
  CHECK_THAT(refusal_of(R"({"job": 3})"), Contains("job"));
  CHECK_THAT(refusal_of(R"({"job": {"name": "x"}})"), Contains("job: model: this key is missing"));
  const std::size_t depth = 1'000'000;
  CHECK_THAT(refusal_of(R"({"job": )" + std::string(depth, '[') + std::string(depth, ']') + "}"),
             Contains("nested more than 32 levels deep"));
}

TEST_CASE("rounds that a report describes wrongly are nobody's") {
  const Results results;
  std::ifstream file(results.path() / kReportFile);
  auto report = nlohmann::json::parse(file);
  report["rounds"] = {3, {{"round", -1}, {"model", 5}}, {{"model", report["model"]}}};
  results.write_report(report.dump());
  const auto read = read_result_folder(results.path());
  REQUIRE(read);
  CHECK_FALSE(read->round);
}

TEST_CASE("a folder without a model is refused") {
  const Results results;
  std::filesystem::remove(results.path() / kModelFile);
  CHECK(results.refusal().code == ErrorCode::kNotFound);
  CHECK_THAT(results.refusal().message, Contains("model.safetensors: no such file"));
  const auto nothing = read_result_folder(results.path() / "nothing");
  REQUIRE_FALSE(nothing);
  CHECK_THAT(nothing.error().message, Contains("nothing: no such file or folder"));
}

TEST_CASE("metadata say what a program needs to use the model") {
  const Results results;
  const auto metadata = metadata_of(read_result_folder(results.path()).value(), "consilium 1.2.3");
  CHECK(metadata.at("job") == "labels");
  CHECK(metadata.at("job_digest") == crypto::to_hex(job::job_digest(results.job)));
  CHECK(metadata.at("task") == "multi_label");
  CHECK(metadata.at("threshold") == "0.25");
  CHECK(metadata.at("classes") == "2");
  CHECK(metadata.at("normalize") == R"({"mean":[0.5],"std":[0.25]})");
  CHECK(metadata.at("round") == "2");
  CHECK(metadata.at("software") == "consilium 1.2.3");
  CHECK(metadata.at("model_digest") == crypto::to_hex(crypto::sha256(std::as_bytes(std::span(results.model)))));
  CHECK(nlohmann::json::parse(metadata.at("model"))["input"] == nlohmann::json{3});
}

}  // namespace
}  // namespace consilium::report
