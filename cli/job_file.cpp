#include "cli/job_file.h"

#include <span>

#include "common/crypto/sha256.h"
#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "common/parameters/safetensors.h"

namespace consilium::cli {

Result<JobFile> read_job_file(const std::filesystem::path& file) {
  JobFile job;
  CONSILIUM_ASSIGN(job.spec, job::read_job(file));
  CONSILIUM_ASSIGN(job.manifest, model::build_manifest(job.spec.model));
  if (!job.spec.initial_weights) return job;
  const std::filesystem::path weights = file.parent_path() / *job.spec.initial_weights;
  auto read = read_safetensors(weights, job.manifest);
  if (!read) return fail(read.error().within(file.filename().string() + ": initial_weights"));
  job.initial_weights = std::move(*read);
  job.spec.initial_weights.reset();
  job.spec.initial_weights_digest = crypto::sha256(std::as_bytes(std::span(job.initial_weights)));
  return job;
}

}  // namespace consilium::cli
