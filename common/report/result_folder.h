#pragma once

#include <filesystem>
#include <string>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::report {

/// What `fetch` and `simulate` leave in a folder (docs/formats/report.md), as far as others go on from it.
struct ResultFolder {
  job::JobSpec spec;
  ParameterManifest manifest;
  ParameterVector model;
};

/// Reads report.json's job and model.safetensors. Errors name the file: kNotFound where one is missing, as after a job
/// that failed before its first round; kInvalidArgument where the model isn't the job's.
Result<ResultFolder> read_result_folder(const std::filesystem::path& folder);

}  // namespace consilium::report
