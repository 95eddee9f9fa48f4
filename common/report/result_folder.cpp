#include "common/report/result_folder.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <utility>

#include "common/crypto/sha256.h"
#include "common/files/files.h"
#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "common/parameters/safetensors.h"
#include "common/report/bounded_json.h"
#include "common/report/report_files.h"

namespace consilium::report {
namespace {

using nlohmann::json;

constexpr int kMostReportDepth = 32;  // more than the 24 levels that a job's text may have

Result<json> parse_json(std::string_view text) {
  CONSILIUM_ASSIGN(json report, parse_bounded_json(text, kMostReportDepth));
  if (!report.is_object() || !report.contains("job")) return refuse("expected a report of a job, with the key 'job'");
  return report;
}

/// Returns the text under a key, or "" if there is none.
std::string text_at(const json& map, const char* key) {
  const auto found = map.find(key);
  return found != map.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Checks that the job is unchanged since the report was written, because it determines how the images for this model
/// were prepared.
Result<void> check_digests(const json& report, const job::JobSpec& job) {
  const auto model = report.find("model");
  if (model != report.end() && !model->is_null() && !model->is_string())
    return refuse("model: expected the SHA-256 of the model");
  const std::string written = text_at(report, "job_digest");
  const std::string found = crypto::to_hex(job::job_digest(job));
  if (written.empty() || written == found) return {};
  return fail(
      ErrorCode::kDataLoss,
      fmt::format("job: was changed after the report was written: job_digest is {}, but the job now has the digest {}",
                  found, written));
}

std::map<std::string, std::uint32_t> rounds_of(const json& report) {
  std::map<std::string, std::uint32_t> rounds;
  const auto listed = report.find("rounds");
  if (listed == report.end() || !listed->is_array()) return rounds;
  for (const json& round : *listed) {
    if (!round.is_object() || !round.contains("round") || !round["round"].is_number_unsigned()) continue;
    rounds[text_at(round, "model")] = round["round"].get<std::uint32_t>();
  }
  return rounds;
}

/// The files from which a model and its job are read.
struct Places {
  std::filesystem::path model;
  std::filesystem::path job;  ///< a report, or a job's file
};

Result<Places> places_of(const std::filesystem::path& from, const std::optional<std::filesystem::path>& job) {
  std::error_code code;
  const bool folder = std::filesystem::is_directory(from, code);
  if (!folder && !std::filesystem::exists(from, code)) {
    return fail(ErrorCode::kNotFound,
                from.string() + ": no such file or folder; expected a result folder, or a model's safetensors file");
  }
  const std::filesystem::path report = (folder ? from : from.parent_path()) / kReportFile;
  Places places{folder ? from / kModelFile : from, job.value_or(report)};
  if (!std::filesystem::exists(places.job, code)) {
    return fail(ErrorCode::kNotFound, fmt::format("{}: no such file; expected it to say which job {} is the model of",
                                                  places.job.string(), places.model.string()));
  }
  return places;
}

Result<ReportedModel> read_report(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const std::string text, files::read_file(file, kMostReportBytes));
  return parse_report(text, file.string());
}

/// Adds to an error about a model the job with which it was compared.
Error beside_job(const Error& error, const Places& places, const job::JobSpec& job) {
  return {error.code,
          fmt::format("{} (expected the model of job '{}' in {})", error.message, job.name, places.job.string())};
}

}  // namespace

Result<ReportedModel> parse_report(std::string_view text, const std::string& source_name) {
  auto report = parse_json(text);
  if (!report) return fail(report.error().within(source_name));
  ReportedModel reported;
  CONSILIUM_ASSIGN(reported.job, job::parse_job((*report)["job"].dump(), source_name + ": job"));
  if (const auto whole = check_digests(*report, reported.job); !whole) return fail(whole.error().within(source_name));
  if (std::string digest = text_at(*report, "model"); !digest.empty()) reported.digest = std::move(digest);
  reported.rounds = rounds_of(*report);
  reported.local_layers_of = text_at(*report, kLocalLayersOf);
  if (text_at(*report, "phase") == name_of(JobPhase::kFailed)) reported.failure = text_at(*report, "detail");
  return reported;
}

Result<ResultFolder> read_result_folder(const std::filesystem::path& from,
                                        const std::optional<std::filesystem::path>& job) {
  CONSILIUM_ASSIGN(const Places places, places_of(from, job));
  ReportedModel reported;
  if (job && job->filename() != kReportFile) {
    CONSILIUM_ASSIGN(reported.job, job::read_job(*job));
  } else {
    CONSILIUM_ASSIGN(reported, read_report(places.job));
    if (job) reported = {.job = std::move(reported.job), .digest = {}, .rounds = {}, .failure = {}};
  }
  if (std::error_code code; !std::filesystem::exists(places.model, code)) {
    return fail(ErrorCode::kNotFound,
                places.model.string() + ": no such file; a job that ended before its first round has no model");
  }
  CONSILIUM_ASSIGN(ParameterManifest manifest, model::build_manifest(reported.job.model));
  auto parameters = read_safetensors(places.model, manifest);
  if (!parameters) return fail(beside_job(parameters.error(), places, reported.job));
  const std::string digest = crypto::to_hex(crypto::sha256(std::as_bytes(std::span(*parameters))));
  if (reported.digest && *reported.digest != digest) {
    return fail(
        ErrorCode::kDataLoss,
        fmt::format("{}: is not the model that {} describes: expected the SHA-256 {}, found {}; fetch the job again",
                    places.model.string(), places.job.string(), *reported.digest, digest));
  }
  ResultFolder result{std::move(reported.job),     std::move(manifest),
                      *std::move(parameters),      std::nullopt,
                      std::move(reported.failure), std::move(reported.local_layers_of)};
  if (const auto round = reported.rounds.find(digest); round != reported.rounds.end()) result.round = round->second;
  return result;
}

Result<void> check_complete(const ResultFolder& result) {
  if (result.manifest.local_size() == 0 || !result.local_layers_of.empty()) return {};
  return fail(
      ErrorCode::kFailedPrecondition,
      fmt::format("the model of {} lacks the layers that the job leaves to its sites (model.local: {}); a site's "
                  "whole model is what 'consilium-client own-model' makes there, and 'consilium personalize' "
                  "trains such layers anywhere",
                  result.spec.name, fmt::join(result.spec.model.local, ", ")));
}

std::map<std::string, std::string> metadata_of(const ResultFolder& result, const std::string& software) {
  const job::JobSpec& job = result.spec;
  const json canonical = json::parse(job::canonical_text(job));
  std::map<std::string, std::string> metadata{
      {"job", job.name},
      {"job_digest", crypto::to_hex(job::job_digest(job))},
      {"task", std::string(task::name_of(job.task.kind))},
      {"classes", std::to_string(job.model.classes)},
      {"model", canonical["model"].dump()},
      {"normalize", canonical["data"]["normalize"].dump()},
      {"model_digest", crypto::to_hex(crypto::sha256(std::as_bytes(std::span(result.model))))},
      {"software", software}};
  if (job.task.kind == task::TaskKind::kMultiLabel) metadata["threshold"] = fmt::format("{}", job.task.threshold);
  if (canonical["data"].contains("atlas")) metadata["atlas"] = canonical["data"]["atlas"].dump();
  if (result.round) metadata["round"] = std::to_string(*result.round);
  return metadata;
}

}  // namespace consilium::report
