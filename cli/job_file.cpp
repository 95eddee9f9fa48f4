#include "cli/job_file.h"

#include <span>
#include <utility>

#include "common/crypto/sha256.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/model/model_parameters.h"
#include "common/parameters/safetensors.h"
#include "common/roster/roster_file.h"

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

Result<void> fill_roster(JobFile& job, const std::filesystem::path& file, const std::filesystem::path& roster) {
  CONSILIUM_ASSIGN(const roster::Roster known, roster::read_roster(roster));
  auto filled = job::with_roster(std::move(job.spec), known.sites);
  if (!filled) {
    return fail(Error{filled.error().code, filled.error().message + " (--roster " + roster.string() + ")"}.within(
        file.filename().string()));
  }
  job.spec = std::move(*filled);
  return {};
}

}  // namespace consilium::cli
