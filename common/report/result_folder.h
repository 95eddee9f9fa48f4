#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::report {

/// Largest report.json that is accepted. Thousands of rounds and metrics take a few megabytes.
inline constexpr std::size_t kMostReportBytes = std::size_t{256} << 20;

/// The statements of a report about the model beside it.
struct ReportedModel {
  job::JobSpec job;
  std::optional<std::string> digest;            ///< SHA-256 of the model, in hexadecimal
  std::map<std::string, std::uint32_t> rounds;  ///< for each such digest, the last round after which the model had it
  std::optional<std::string> failure;           ///< why the job failed, in words; empty if it didn't
  std::string local_layers_of{};  ///< the site whose layers are in the model (model.local); "" if there is none
};

/// Parses the text of a report.json. The input may be hostile: depth is bounded, and the job is parsed like any other.
/// @param source_name  name of the text in error messages, e.g. the file's name
Result<ReportedModel> parse_report(std::string_view text, const std::string& source_name);

/// The content of a folder written by `fetch`, `simulate`, `sandbox` or `personalize` (docs/formats/report.md), as far
/// as other commands use it.
struct ResultFolder {
  job::JobSpec spec;
  ParameterManifest manifest;
  ParameterVector model;
  std::optional<std::uint32_t> round{};  ///< last round after which the federation had it; unknown without a report
  std::optional<std::string> failure{};  ///< why the job failed, in words; empty if it didn't
  std::string local_layers_of{};         ///< the site whose layers are in the model (model.local); "" if there is none
};

/// Key in report.json that names the site, if the folder has one site's complete model.
inline constexpr const char* kLocalLayersOf = "local_layers_of";

/// Checks that a model can be used as it is. Fails with kFailedPrecondition if the job leaves layers to its sites
/// (model.local) and the model has no site's layers. `consilium-client own-model` inserts them.
Result<void> check_complete(const ResultFolder& result);

/// Reads the job of report.json, and model.safetensors. The files may be hostile: sizes are bounded, and values that
/// aren't finite are refused. Errors name the file. Fails with kNotFound if a file is missing, as after a job that
/// failed before its first round; with kDataLoss if the model doesn't have the digest in the report; and with
/// kInvalidArgument, naming both files, if the model's tensors don't match the job.
/// @param from  the folder, or a safetensors file. A report.json must lie beside that file unless `job` is given.
/// @param job   a job file, or a report.json of which only the job is read; used instead of the folder's report
Result<ResultFolder> read_result_folder(const std::filesystem::path& from,
                                        const std::optional<std::filesystem::path>& job = std::nullopt);

/// Returns the metadata that an exported file of such a model contains: job, job_digest, task, classes, normalize,
/// model_digest, round, software, ... (docs/formats/exported_model.md). Every value is text.
/// @param software  name and version of the program that writes the file
[[nodiscard]] std::map<std::string, std::string> metadata_of(const ResultFolder& result, const std::string& software);

}  // namespace consilium::report
