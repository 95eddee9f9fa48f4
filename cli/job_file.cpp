#include "cli/job_file.h"

#include <spdlog/fmt/fmt.h>

#include <span>
#include <utility>

#include "common/crypto/sha256.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/model/model_parameters.h"
#include "common/model/starting_weights.h"
#include "common/roster/roster_file.h"

namespace consilium::cli {
namespace {

/// Takes the population of the job's data set from the roster.
Result<job::JobSpec> fill(job::JobSpec spec, const roster::Roster& known) {
  if (known.populations.empty()) return job::with_roster(std::move(spec), known.sites);
  const roster::Population* population = roster::population_of(known, spec.data.dataset);
  if (population == nullptr) {
    return fail(
        ErrorCode::kNotFound,
        fmt::format(
            "data.dataset: no population of the roster has '{}'; ask the consortium's certificate authority to add it",
            spec.data.dataset));
  }
  if (population->mode == roster::Mode::kPlain) {
    return fail(
        ErrorCode::kFailedPrecondition,
        fmt::format(
            "privacy.secure_aggregation: the roster's population '{}' allows only jobs without masks; write off",
            population->name));
  }
  if (population->mode == roster::Mode::kMaskedThreshold) return job::with_roster(std::move(spec), known.sites);
  return job::with_population(
      std::move(spec), known.sites, known.colluding,
      {population->name, population->examples, population->groups, roster::history_digest(*population)});
}

}  // namespace

Result<JobFile> read_job_file(const std::filesystem::path& file) {
  JobFile job;
  CONSILIUM_ASSIGN(job.spec, job::read_job(file));
  CONSILIUM_ASSIGN(job.manifest, model::build_manifest(job.spec.model));
  if (!job.spec.initial_weights) return job;
  const std::filesystem::path weights = file.parent_path() / *job.spec.initial_weights;
  auto read = model::read_starting_weights(weights, job.spec.model, job.spec.replaced_layers, job.spec.seed);
  if (!read) return fail(read.error().within(file.filename().string() + ": initial_weights"));
  job.weights_in_words = model::in_words(*read, weights);
  job.initial_weights = std::move(read->parameters);
  job.spec.initial_weights.reset();
  job.spec.replaced_layers.clear();
  job.spec.initial_weights_digest = crypto::sha256(std::as_bytes(std::span(job.initial_weights)));
  return job;
}

Result<void> fill_roster(JobFile& job, const std::filesystem::path& file, const std::filesystem::path& roster) {
  CONSILIUM_ASSIGN(const roster::Roster known, roster::read_roster(roster));
  auto filled = fill(std::move(job.spec), known);
  if (!filled) {
    return fail(Error{filled.error().code, filled.error().message + " (--roster " + roster.string() + ")"}.within(
        file.filename().string()));
  }
  job.spec = std::move(*filled);
  return {};
}

}  // namespace consilium::cli
