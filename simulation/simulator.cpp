#include "simulation/simulator.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <variant>

#include "common/encoding/fixed_point.h"
#include "common/files/temporary_folder.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/model/model_parameters.h"
#include "common/process/event_queue.h"
#include "coordinator/admission/admission.h"
#include "coordinator/journal/memory_journal.h"
#include "simulation/comparison.h"
#include "simulation/federation.h"

namespace consilium::simulation {
namespace {

/// Wakes the loop because a stop was requested.
struct Interrupted {};
using Event = std::variant<Outcome, Interrupted>;

constexpr const char* kInterrupted = "interrupted";
/// Prefix of the job ids of evaluations outside jobs; a number follows.
const std::string kEvaluation = "evaluation-";
/// An ensemble's models are in memory together, once for each worker.
constexpr std::size_t kMaxEnsembleBytes = std::size_t{1} << 30;

/// The sites' side of secure aggregation, in one of its two modes.
struct SecureSites {
  SiteIdentities identities;
  std::optional<MaskedSites> masked{};
  std::unique_ptr<MaskedGroups> groups{};
};

Error interrupted() { return {ErrorCode::kCancelled, "interrupted"}; }

Result<void> check_ensemble(const Simulator::Job& job) {
  if (job.spec.task.kind == task::TaskKind::kDetection) {
    return fail(ErrorCode::kInvalidArgument,
                "--compare: the boxes of several detectors can't be averaged; leave out 'ensemble'");
  }
  CONSILIUM_ASSIGN(const ParameterManifest manifest, model::build_manifest(job.spec.model));
  const std::size_t most = std::min<std::size_t>(trainer::kMaxEvaluatedModels,
                                                 kMaxEnsembleBytes / (manifest.parameter_count() * sizeof(float)));
  if (job.sites.size() > most) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--compare: memory is only enough for an ensemble of {} models of this size, but there are "
                            "{} sites; leave out 'ensemble'",
                            most, job.sites.size()));
  }
  return {};
}

}  // namespace

class Simulator::Impl {
 public:
  Impl(Config config, files::TemporaryFolder folder, journal::BlobStore blobs)
      : folder_(std::move(folder)),
        blobs_(std::move(blobs)),
        pool_(config.workers, std::move(config.trainer), blobs_, folder_.path() / "local",
              [this](Outcome outcome) { events_.post(std::move(outcome)); }) {}

  Result<std::unique_ptr<Federation>> make_federation(const Job& job,
                                                      std::function<void(const report::JobStatus&)> changed,
                                                      SecureSites* secure = nullptr) {
    if (!job.initial_weights.empty()) CONSILIUM_TRY(blobs_.put(std::as_bytes(std::span(job.initial_weights))));
    CONSILIUM_ASSIGN(const admission::AdmittedJob admitted, admission::admit(job::canonical_text(job.spec), blobs_));
    CONSILIUM_ASSIGN(ParameterManifest manifest, model::build_manifest(job.spec.model));
    auto context = std::make_shared<const JobContext>(JobContext{job.spec, std::move(manifest), job.atlas});
    Federation::Plan plan{job.spec.name + "-" + std::to_string(++jobs_), std::move(context), admitted.initial_model,
                          job.sites, job.stragglers};
    if (secure != nullptr) {
      plan.authenticator = secure->identities.authenticator();
      plan.masked = secure->masked ? &*secure->masked : nullptr;
      plan.groups = secure->groups.get();
    }
    return Federation::create(std::move(plan), {pool_, journal_, blobs_, std::move(changed)});
  }

  /// Runs federations until all have ended, at most as many at a time as there are workers.
  Result<void> drive(std::vector<std::unique_ptr<Federation>>& federations, std::stop_token stop) {
    const std::stop_callback wake(stop, [this] { events_.post(Interrupted{}); });
    std::map<std::string, Federation*> running;
    std::size_t next = 0;
    while (true) {
      std::erase_if(running, [](const auto& entry) { return entry.second->ended(); });
      while (next < federations.size() && running.size() < pool_.workers() && !stop.stop_requested()) {
        Federation& federation = *federations[next++];
        running[federation.status().job_id] = &federation;
        federation.begin();
      }
      std::erase_if(running, [](const auto& entry) { return entry.second->ended(); });
      if (running.empty()) {
        if (next == federations.size() || stop.stop_requested()) return {};
        continue;
      }
      auto event = events_.take();
      if (!event) return fail(ErrorCode::kInternal, "the simulator's workers have ended");
      if (auto* outcome = std::get_if<Outcome>(&*event)) {
        const auto found = running.find(outcome->key.job_id);
        if (found != running.end()) found->second->take(std::move(*outcome));
      } else {
        for (auto& [job_id, federation] : running) federation->finish_round_and_stop(kInterrupted);
      }
    }
  }

  Result<std::vector<task::Metrics>> evaluate(const Job& job, job::Split split,
                                              const std::vector<crypto::Digest>& models, std::stop_token stop) {
    job::JobSpec spec = job.spec;
    spec.evaluation = {1, split};
    // No census has taken place, so the losses of all classes have the same weight.
    spec.training.loss = task::with_weights(std::move(spec.training.loss), spec.task.kind, {});
    CONSILIUM_ASSIGN(ParameterManifest manifest, model::build_manifest(spec.model));
    const auto context = std::make_shared<const JobContext>(JobContext{spec, std::move(manifest), job.atlas});
    std::vector<job::RoundOrder> orders;
    for (std::size_t i = 0; i < models.size(); ++i) {
      CONSILIUM_ASSIGN(job::RoundOrder order, job::expected_order(spec, evaluation_key(spec, i), 1, models[i]));
      orders.push_back(std::move(order));
    }
    // Iterates over sites first and models second, so that each site's data is loaded once.
    for (const SimulatedSite& site : job.sites) {
      for (std::size_t i = 0; i < orders.size(); ++i)
        pool_.post({context, site, evaluation_key(spec, i), orders[i], {}, {}, job_of(models[i])});
    }
    std::vector<std::vector<std::uint32_t>> sums(models.size());
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i].resize(orders[i].layout.word_count());
    CONSILIUM_TRY(collect(job.sites.size() * models.size(), stop, [&](std::size_t index, Outcome& outcome) {
      encoding::add_words(outcome.answer->words, sums[index]);
    }));
    CONSILIUM_ASSIGN(const auto task, job::task_of(spec));
    std::vector<task::Metrics> all;
    for (std::size_t i = 0; i < sums.size(); ++i) {
      CONSILIUM_ASSIGN(task::Metrics metrics, task::metrics_from_words(*task, orders[i].layout, sums[i]));
      all.push_back(std::move(metrics));
    }
    return all;
  }

  /// Evaluates each of several models, or ensembles of them, patient by patient.
  Result<std::vector<task::EvaluatedPatients>> evaluate_by_patient(
      const Job& job, job::Split split, const std::vector<std::vector<crypto::Digest>>& ensembles,
      std::stop_token stop) {
    CONSILIUM_ASSIGN(ParameterManifest manifest, model::build_manifest(job.spec.model));
    const auto context = std::make_shared<const JobContext>(JobContext{job.spec, std::move(manifest), job.atlas});
    for (const SimulatedSite& site : job.sites) {
      for (std::size_t i = 0; i < ensembles.size(); ++i) {
        Task task{.job = context, .site = site, .key = evaluation_key(job.spec, i), .order = {}, .epochs = {}};
        task.by_patient = PatientEvaluation{split, ensembles[i]};
        if (ensembles[i].size() == 1) task.trained_in = job_of(ensembles[i].front());
        pool_.post(std::move(task));
      }
    }
    std::map<std::string, std::size_t> places;
    for (const SimulatedSite& site : job.sites) places.emplace(site.name, places.size());
    std::vector<task::EvaluatedPatients> patients(ensembles.size(), task::EvaluatedPatients(job.sites.size()));
    CONSILIUM_TRY(collect(job.sites.size() * ensembles.size(), stop, [&](std::size_t index, Outcome& outcome) {
      patients[index][places.at(outcome.site)] = std::move(outcome.answer->patients);
    }));
    return patients;
  }

  Result<crypto::Digest> put(std::span<const float> parameters) { return blobs_.put(std::as_bytes(parameters)); }
  /// Remembers the job that ended with a model.
  void ended_with(const crypto::Digest& model, const std::string& job_id) { jobs_by_model_[model] = job_id; }
  [[nodiscard]] std::string trainer_software() const { return pool_.trainer_software(); }

  /// Returns the job that ended with a model to which sites add their own tensors, or "" if the model is complete
  /// without them.
  [[nodiscard]] std::string job_of(const crypto::Digest& model) const {
    const auto found = jobs_by_model_.find(model);
    return found == jobs_by_model_.end() ? std::string() : found->second;
  }

  Result<ParameterVector> read(const crypto::Digest& model, const ParameterManifest& manifest) const {
    ParameterVector parameters(manifest.parameter_count());
    CONSILIUM_ASSIGN(const std::size_t bytes, blobs_.read(model, 0, std::as_writable_bytes(std::span(parameters))));
    if (bytes != parameters.size() * sizeof(float))
      return fail(ErrorCode::kDataLoss, "the global model is shorter than its manifest says");
    return parameters;
  }

  /// Completes the model of a federation of one site with the tensors that the site trained for itself.
  Result<crypto::Digest> complete(const crypto::Digest& model, const std::string& job_id, const std::string& site,
                                  const ParameterManifest& manifest) {
    if (manifest.local_size() == 0) return model;
    CONSILIUM_ASSIGN(ParameterVector whole, read(model, manifest));
    CONSILIUM_TRY(
        local_tensors(folder_.path() / "local", site).put_into(local_key(job_id), manifest, session::kAnyRound, whole));
    return blobs_.put(std::as_bytes(std::span(whole)));
  }

 private:
  static job::SessionKey evaluation_key(const job::JobSpec& spec, std::size_t index) {
    return {kEvaluation + std::to_string(index), job::SumKind::kEvaluate, spec.federation.rounds, 1};
  }

  /// Passes on the answers of evaluations, each with the number in its key.
  Result<void> collect(std::size_t answers, std::stop_token stop,
                       const std::function<void(std::size_t, Outcome&)>& take) {
    const std::stop_callback wake(stop, [this] { events_.post(Interrupted{}); });
    while (answers > 0) {
      auto event = events_.take();
      if (!event || stop.stop_requested()) return fail(interrupted());
      auto* outcome = std::get_if<Outcome>(&*event);
      if (outcome == nullptr || !outcome->key.job_id.starts_with(kEvaluation)) continue;
      if (!outcome->answer) return fail(outcome->answer.error().within("evaluation at " + outcome->site));
      take(std::stoul(outcome->key.job_id.substr(kEvaluation.size())), *outcome);
      --answers;
    }
    return {};
  }

  files::TemporaryFolder folder_;
  journal::BlobStore blobs_;
  std::map<crypto::Digest, std::string> jobs_by_model_;
  journal::MemoryJournal journal_;
  process::EventQueue<Event> events_;
  std::uint64_t jobs_ = 0;  ///< number of jobs begun
  WorkerPool pool_;         // must be last: its threads post to the queue
};

Simulator::Simulator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Simulator::~Simulator() = default;

Result<std::unique_ptr<Simulator>> Simulator::create(Config config) {
  CONSILIUM_ASSIGN(files::TemporaryFolder folder, files::TemporaryFolder::create("consilium-simulation"));
  CONSILIUM_ASSIGN(journal::BlobStore blobs, journal::BlobStore::open(folder.path() / "models"));
  return std::unique_ptr<Simulator>(
      new Simulator(std::make_unique<Impl>(std::move(config), std::move(folder), std::move(blobs))));
}

Result<report::JobStatus> Simulator::federate(const Job& job, std::function<void(const report::JobStatus&)> changed,
                                              std::stop_token stop, std::vector<report::MaskingCost>* masking) {
  std::optional<SecureSites> secure;
  Job keyed = job;
  if (job.secure) {
    CONSILIUM_TRY(check_drop_plan(job.drops, job.spec));
    CONSILIUM_ASSIGN(SiteIdentities identities, SiteIdentities::create(job.spec.federation.sites));
    secure.emplace(SecureSites{std::move(identities)});
    if (job::sums_whole_groups(job.spec)) {
      // The job, including its roster, stays unchanged, because the randomness of training depends on its digest.
      CONSILIUM_ASSIGN(secure->groups, MaskedGroups::create(job.spec, secure->identities, job.drops));
    } else {
      secure->masked.emplace(secure->identities, job.drops);
      keyed.spec.federation.roster = secure->identities.roster();
    }
  }
  std::vector<std::unique_ptr<Federation>> federations(1);
  CONSILIUM_ASSIGN(federations[0], impl_->make_federation(keyed, std::move(changed), secure ? &*secure : nullptr));
  CONSILIUM_TRY(impl_->drive(federations, stop));
  if (masking != nullptr) *masking = federations[0]->masking_costs();
  report::JobStatus status = federations[0]->status();
  // The initial model is removed with the federation, and no caller needs it.
  if (status.history.empty() && status.model == federations[0]->initial_model()) status.model.reset();
  if (status.model) impl_->ended_with(*status.model, status.job_id);
  if (status.phase == report::JobPhase::kFailed) {
    for (const std::string& why : federations[0]->unusable()) status.detail += "; " + why;
  }
  return status;
}

Result<std::vector<task::Metrics>> Simulator::evaluate(const Job& job, job::Split split,
                                                       const std::vector<crypto::Digest>& models,
                                                       std::stop_token stop) {
  return impl_->evaluate(job, split, models, stop);
}

Result<ParameterVector> Simulator::model(const crypto::Digest& digest, const ParameterManifest& manifest) const {
  return impl_->read(digest, manifest);
}

Result<crypto::Digest> Simulator::put_model(std::span<const float> parameters) { return impl_->put(parameters); }

std::string Simulator::trainer_software() const { return impl_->trainer_software(); }

Result<report::Comparison> Simulator::compare_personal(const Job& job, const crypto::Digest& federated,
                                                       const crypto::Digest& personal, std::stop_token stop) {
  CONSILIUM_ASSIGN(const auto patients,
                   impl_->evaluate_by_patient(job, job::Split::kTest, {{federated}, {personal}}, stop));
  return personal_comparison_of(job, patients);
}

Result<report::Comparison> Simulator::compare(const Job& job, const Arms& arms, const crypto::Digest& federated,
                                              const SimulatedSite& pool,
                                              std::function<void(std::uint64_t, std::uint64_t)> progress,
                                              std::stop_token stop) {
  if (arms.ensemble) CONSILIUM_TRY(check_ensemble(job));
  std::vector<Job> jobs;
  std::vector<std::string> names;
  const auto federation_of_one = [&](const SimulatedSite& site) {
    Job one = job;
    one.spec = job::without_masks(std::move(one.spec));
    one.sites = {site};
    one.stragglers = 0;
    one.spec.federation.sites = {site.name};
    one.spec.federation.fraction = 1.0;
    one.spec.federation.minimum_sites = 1;
    // If the federation stops early or keeps its best round, the models that it is compared with do so too, each by its
    // own data.
    const bool chooses = one.spec.evaluation.patience > 0 || one.spec.evaluation.keep_best;
    if (!chooses) one.spec.evaluation = {0, one.spec.evaluation.split};
    one.spec.evaluation.alone = false;
    jobs.push_back(std::move(one));
    names.push_back(site.name);
  };
  if (arms.pooled) federation_of_one(pool);  // first, because it takes longest
  if (arms.alone) std::ranges::for_each(job.sites, federation_of_one);

  std::vector<std::unique_ptr<Federation>> federations;
  std::vector<std::uint64_t> done(jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const auto changed = [&done, i, &progress,
                          total = jobs.size() * job.spec.federation.rounds](const report::JobStatus& status) {
      done[i] = status.history.size();
      std::uint64_t sum = 0;
      for (const std::uint64_t rounds : done) sum += rounds;
      if (progress) progress(sum, total);
    };
    CONSILIUM_ASSIGN(std::unique_ptr<Federation> federation, impl_->make_federation(jobs[i], changed));
    federations.push_back(std::move(federation));
  }
  CONSILIUM_TRY(impl_->drive(federations, stop));
  if (stop.stop_requested()) return fail(interrupted());

  CONSILIUM_ASSIGN(const ParameterManifest manifest, model::build_manifest(job.spec.model));
  std::vector<std::vector<crypto::Digest>> models;
  for (std::size_t i = 0; i < federations.size(); ++i) {
    const report::JobStatus& status = federations[i]->status();
    if (status.phase != report::JobPhase::kFinished || !status.model)
      return fail(ErrorCode::kFailedPrecondition, names[i] + " alone: " + status.detail);
    CONSILIUM_ASSIGN(const crypto::Digest whole,
                     impl_->complete(*status.model, status.job_id, jobs[i].sites.front().name, manifest));
    models.push_back({whole});
  }
  if (arms.ensemble) {
    std::vector<crypto::Digest> all;
    for (std::size_t i = arms.pooled ? 1 : 0; i < federations.size(); ++i) all.push_back(models[i].front());
    models.push_back(std::move(all));
  }
  if (arms.federated) models.push_back({federated});
  CONSILIUM_ASSIGN(const auto patients, impl_->evaluate_by_patient(job, job::Split::kTest, models, stop));
  return comparison_of(job, arms, patients);
}

}  // namespace consilium::simulation
