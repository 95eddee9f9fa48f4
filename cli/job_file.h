#pragma once

#include <filesystem>
#include <string>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::cli {

/// A job as the researcher wrote it, ready to be submitted or simulated.
struct JobFile {
  job::JobSpec spec;  ///< initial_weights is replaced by the digest of the weights that were read
  ParameterManifest manifest;
  ParameterVector initial_weights;  ///< empty: derived from the spec and its seed
  std::string weights_in_words;     ///< describes where the tensors of `initial_weights` come from; empty without them
};

/// Reads a job and the safetensors file that its `initial_weights` names (relative to the job's folder). If that file
/// covers only a part of the model, the rest is drawn here, so that the coordinator and the sites see one vector and
/// its digest.
Result<JobFile> read_job_file(const std::filesystem::path& file);

/// Adds the sites' keys from a roster file (`consilium ca roster`) to a job with secure aggregation, and sets what
/// depends on them; see job::with_roster(). Errors name the job's file and the roster's.
/// @param file  the job's file, for errors
Result<void> fill_roster(JobFile& job, const std::filesystem::path& file, const std::filesystem::path& roster);

}  // namespace consilium::cli
