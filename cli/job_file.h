#pragma once

#include <filesystem>
#include <string>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::cli {

/// A job as its researcher wrote it, ready to be submitted or simulated.
struct JobFile {
  job::JobSpec spec;  ///< initial_weights replaced by the digest of what was read
  ParameterManifest manifest;
  ParameterVector initial_weights;  ///< empty: those that the spec and its seed give
  std::string weights_in_words;     ///< where the tensors of `initial_weights` come from; empty without them
};

/// Reads a job, and the safetensors file that its `initial_weights` names (relative to the job's folder). Where that
/// fits a part of the model, the rest is drawn here, so that coordinator and sites see one vector and its digest.
Result<JobFile> read_job_file(const std::filesystem::path& file);

/// Puts the sites' keys of a roster file (`consilium ca roster`) into a job with secure aggregation, and what follows
/// from them; see job::with_roster(). Errors name the job's file and the roster's.
/// @param file    of the job, for errors
Result<void> fill_roster(JobFile& job, const std::filesystem::path& file, const std::filesystem::path& roster);

}  // namespace consilium::cli
