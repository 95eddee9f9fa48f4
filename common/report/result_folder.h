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

/// Largest report.json that is read: thousands of rounds and metrics are a few megabytes.
inline constexpr std::size_t kMostReportBytes = std::size_t{256} << 20;

/// What a report says about the model beside it.
struct ReportedModel {
  job::JobSpec job;
  std::optional<std::string> digest;            ///< SHA-256 of the model, in hexadecimal
  std::map<std::string, std::uint32_t> rounds;  ///< by such a digest, the last round after which the model had it
  std::optional<std::string> failure;           ///< why the job failed, in words; none where it didn't
  std::string local_layers_of{};                ///< the site whose layers are in the model (model.local); "" for none
};

/// Reads the text of a report.json. Hostile input: depth is bounded, and the job is parsed as any other is.
/// @param source_name  what errors call the text, e.g. the file's name
Result<ReportedModel> parse_report(std::string_view text, const std::string& source_name);

/// What `fetch`, `simulate`, `sandbox` and `personalize` leave in a folder (docs/formats/report.md), as far as others
/// go on from it.
struct ResultFolder {
  job::JobSpec spec;
  ParameterManifest manifest;
  ParameterVector model;
  std::optional<std::uint32_t> round{};  ///< after which the federation had the model; unknown without a report
  std::optional<std::string> failure{};  ///< why the job failed, in words; none where it didn't
  std::string local_layers_of{};         ///< the site whose layers are in the model (model.local); "" for none
};

/// In report.json of a folder that has the whole model of one site: the site.
inline constexpr const char* kLocalLayersOf = "local_layers_of";

/// Checks that a model can be used as it is: kFailedPrecondition where the job leaves layers to its sites (model.local)
/// and the model has nobody's. `consilium-client own-model` puts them in.
Result<void> check_complete(const ResultFolder& result);

/// Reads report.json's job and model.safetensors. The files are hostile: sizes are bounded, and values that aren't
/// finite are refused.
/// @param from  the folder; or a safetensors file, beside which report.json lies unless `job` is given
/// @param job   a job file that is used in place of the report; of a report.json the job alone
/// Errors name the file: kNotFound where one is missing, as after a job that failed before its first round; kDataLoss
/// where the model isn't the one that the report names by its digest; kInvalidArgument where its tensors aren't the
/// job's, and then the message names both files.
Result<ResultFolder> read_result_folder(const std::filesystem::path& from,
                                        const std::optional<std::filesystem::path>& job = std::nullopt);

/// What a file of such a model tells programs about it: job, job_digest, task, classes, normalize, model_digest,
/// round, software, ... (docs/formats/exported_model.md). Every value is text.
/// @param software  name and version of the program that writes the file
[[nodiscard]] std::map<std::string, std::string> metadata_of(const ResultFolder& result, const std::string& software);

}  // namespace consilium::report
