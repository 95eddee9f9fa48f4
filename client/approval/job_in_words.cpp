#include "client/approval/job_in_words.h"

#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <ctime>

#include "client/policy/unusual_terms.h"
#include "common/job/cohort_rules.h"
#include "common/job/learning_rates.h"
#include "common/model/model_parameters.h"
#include "common/task/task_json.h"

namespace consilium::approval {
namespace {

/// Below this, an update is little more than the model's answers on the data, scaled.
constexpr double kTinyLearningRate = 1e-6;
/// From this batch size on, one step may cover all of a hospital's examples.
constexpr std::uint32_t kLargeBatch = 1024;
/// With at most this many batches per epoch, one batch covers much of a hospital's examples, or all of a smaller
/// hospital's.
constexpr std::uint64_t kFewBatches = 4;
/// Below this, updates are cut, or so coarse relative to the clip that a sum can be taken apart.
constexpr double kSmallClip = 1.0;
/// Adam divides by the gradient's own size plus epsilon. Above this value, for gradients of norm 1, it is plain SGD
/// with the learning rate divided by epsilon.
constexpr double kLargeEpsilon = 1e-3;
/// With fewer steps than this, Adam moves most parameters by the learning rate times the number of steps.
constexpr std::uint64_t kFewSteps = 20;

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

/// Adds the settings of the optimiser or the clip that make an update reveal more about single images, or about
/// hospitals, than training needs.
void add_unusual_training(const job::JobSpec& job, std::vector<std::string>& unusual) {
  const job::OptimizerSpec& optimizer = job.training.optimizer;
  const double gradient_norm = std::min(1.0, job.training.gradient_clip.value_or(1.0));
  if (job::smallest_step(job) < kTinyLearningRate)
    unusual.push_back(fmt::format("{} trains nothing: such updates reveal exactly what the model answers on the images",
                                  policy::steps_in_words(job)));
  if (optimizer.kind != job::OptimizerKind::kSgd && optimizer.epsilon > kLargeEpsilon * gradient_norm)
    unusual.push_back(fmt::format("an epsilon of {} divides the learning rate by as much, so that it may train nothing",
                                  optimizer.epsilon));
  const std::uint64_t batch = job.training.batch_size;
  if (optimizer.kind != job::OptimizerKind::kSgd && job.population &&
      batch * kFewSteps > job.population->examples * job.training.local_epochs)
    unusual.push_back(
        fmt::format("with batches of {}, {} makes few steps per round: updates are little more than signs, and those "
                    "of single hospitals may be recovered from a sum of few",
                    batch, job::name_of(optimizer.kind)));
  const bool few_batches = job.population && batch * kFewBatches > job.population->examples;
  if (batch >= kLargeBatch || (few_batches && optimizer.kind == job::OptimizerKind::kSgd))
    unusual.push_back(fmt::format("with batches of {}, an update may be one exact sum over all images of a hospital",
                                  job.training.batch_size));
  for (const auto& [name, clip] :
       {std::pair("clip", job.privacy.clip), std::pair("buffer_clip", job.privacy.buffer_clip)}) {
    if (clip < kSmallClip)
      unusual.push_back(
          fmt::format("with a {} of {}, updates are clipped or coarse, and those of single hospitals may be recovered "
                      "from a sum of few",
                      name, clip));
  }
}

/// Describes how the loss differs from the task's default: "cross_entropy, class weights 1, 5".
std::string loss_in_words(const job::JobSpec& job) {
  const task::LossSpec& loss = job.training.loss;
  const task::LossKeys keys = task::keys_of(loss.kind, job.task.kind);
  std::string words(task::name_of(loss.kind));
  if (loss.balanced) words += ", class weights balanced by the labels of all hospitals";
  if (keys.class_weights && !loss.class_weights.empty())
    words += fmt::format(", class weights {}", fmt::join(loss.class_weights, ", "));
  if (loss.boundary_weight > 0.0) words += fmt::format(", boundary {}", loss.boundary_weight);
  for (const task::VolumeRange& range : loss.volumes)
    words += fmt::format(", volume {} for {} to {} of class {}", loss.volume_weight, range.least, range.most,
                         range.of_class);
  if (keys.gamma) words += fmt::format(", gamma {}", loss.gamma);
  if (keys.alpha) words += fmt::format(", alpha {}", loss.alpha);
  if (keys.label_smoothing && loss.label_smoothing > 0.0)
    words += fmt::format(", label_smoothing {}", loss.label_smoothing);
  return words;
}

/// Returns the number of hospitals in a sum of counts: "4", or "6 or 7".
std::string group_sizes(const job::JobSpec& job) {
  std::vector<std::size_t> sizes;
  for (const auto& group : job::count_groups(job)) sizes.push_back(group.size());
  std::ranges::sort(sizes);
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return fmt::format("{}", fmt::join(sizes, " or "));
}

}  // namespace

ReleaseCount releases_of(const job::JobSpec& job) {
  const std::uint64_t rounds = job.federation.rounds;
  const std::uint64_t every = job.evaluation.every;
  const std::uint64_t evaluations = every == 0 ? 0 : rounds / every + (rounds % every == 0 ? 0 : 1);
  return {rounds, 1 + evaluations};
}

std::string releases_in_words(const job::JobSpec& job) {
  const ReleaseCount releases = releases_of(job);
  if (!job::is_masked(job)) {
    return fmt::format("{} and {} of this hospital, each of which the coordinator sees by itself",
                       counted(releases.updates, "update", "updates"), counted(releases.counts, "count", "counts"));
  }
  const std::string updates = counted(releases.updates, "sum of updates", "sums of updates");
  const std::string counts = counted(releases.counts, "sum of counts", "sums of counts");
  const std::string cohort = fmt::format("{}", job::planned_cohort(job));
  const std::string group = group_sizes(job);
  if (cohort == group || job::sums_whole_groups(job))
    return fmt::format("{} and {}, each over {} hospitals", updates, counts, group);
  return fmt::format("{}, each over {} hospitals, and {}, each over {} hospitals", updates, cohort, counts, group);
}

std::string sites_in_words(const job::JobSpec& job) {
  const auto& sites = job.federation.sites;
  if (sites.empty()) return "every hospital that accepts the job";
  const std::string names = fmt::format("{}: {}", sites.size(), fmt::join(sites, ", "));
  const auto groups = job::count_groups(job);
  if (groups.size() < 2) return names;
  std::vector<std::string> listed;
  for (const auto& group : groups) listed.push_back(fmt::format("{}", fmt::join(group, " + ")));
  return fmt::format("{}; in {} groups: {}", names, groups.size(), fmt::join(listed, ", "));
}

std::string model_in_words(const job::JobSpec& job) {
  const std::string name = job.model.name.empty()
                               ? fmt::format("{} layers of the researcher's own", job.model.layers.size())
                               : job.model.name;
  const auto manifest = model::build_manifest(job.model);
  if (!manifest) return name;
  const std::size_t count = manifest->parameter_count();
  std::string parts;
  if (manifest->update_size() != count) parts = fmt::format(", of which {} leave this site", manifest->update_size());
  if (!job.model.frozen.empty()) parts += fmt::format("; frozen: {}", fmt::join(job.model.frozen, ", "));
  if (!job.model.local.empty()) parts += fmt::format("; trained only here: {}", fmt::join(job.model.local, ", "));
  return fmt::format("{}, {} parameters ({:.1f} MB){}", name, count,
                     static_cast<double>(count) * sizeof(float) / 1'000'000.0, parts);
}

std::string weights_in_words(const job::JobSpec& job) {
  if (job.initial_weights_digest) {
    return fmt::format("a file of the researcher's own, SHA-256 {}", crypto::to_hex(*job.initial_weights_digest));
  }
  return fmt::format("random numbers that follow from the job's seed {}", job.seed);
}

std::string training_in_words(const job::JobSpec& job) {
  const auto [lowest, highest] = job::learning_rates(job);
  const std::string rates = lowest == highest ? fmt::format("learning rate {}", lowest)
                                              : fmt::format("learning rates from {} to {}", lowest, highest);
  const std::uint32_t warmup = job.training.schedule.warmup;
  const std::string warm =
      warmup == 0 ? "" : fmt::format(" (the first {} warm up)", counted(warmup, "round", "rounds"));
  std::string factors;
  for (const auto& [layer, factor] : job.training.learning_rates)
    factors += fmt::format("{} times {} in {}", factors.empty() ? "," : " and", factor, layer);
  const std::string clip =
      job.training.gradient_clip ? fmt::format(", gradients clipped to the norm {}", *job.training.gradient_clip) : "";
  const bool whole = job.training.precision == job::Precision::kFloat32;
  const std::string precision = whole ? "" : fmt::format(" in {}", job::name_of(job.training.precision));
  const std::string augment = !job.data.augment         ? ""
                              : job.data.augment->any() ? fmt::format(", images changed at random as the job says ({})",
                                                                      task::to_json(*job.data.augment).dump())
                                                        : ", images not changed at random";
  const std::string atlas = job.data.atlas ? fmt::format(", with this site's atlas '{}'", job.data.atlas->name) : "";
  const std::string alone = job.evaluation.alone ? ", and the same for a model that stays here" : "";
  return fmt::format("{}{} of {}, batches of {}, {} with {}{}{}{}, {} by {}, on the data set '{}'{}{}{}",
                     counted(job.federation.rounds, "round", "rounds"), warm,
                     counted(job.training.local_epochs, "epoch", "epochs"), job.training.batch_size,
                     job::name_of(job.training.optimizer.kind), rates, factors, clip, precision,
                     task::name_of(job.task.kind), loss_in_words(job), job.data.dataset, atlas, augment, alone);
}

std::string readers_in_words(const job::JobSpec& job) {
  if (job.readers.empty()) return "the researcher who asks";
  return fmt::format("the researcher who asks, and {}", fmt::join(job.readers, ", "));
}

std::vector<std::string> unusual_in(const job::JobSpec& job) {
  std::vector<std::string> unusual;
  if (!job::is_masked(job))
    unusual.emplace_back("secure aggregation is off: the coordinator sees each of this hospital's updates");
  if (job.model.name.empty())
    unusual.emplace_back("a model of the researcher's own layers can be made to copy images out");
  if (job.initial_weights_digest)
    unusual.emplace_back("a model that starts from the researcher's own weights can be made to copy images out");
  add_unusual_training(job, unusual);
  for (std::string& term : policy::unusual_terms(job)) unusual.push_back(std::move(term));
  return unusual;
}

std::string budget_in_words(const ReleaseCount& releases, const SumBudget& budget) {
  const std::uint64_t before = budget.used - (budget.counted ? std::min(releases.total(), budget.used) : 0);
  const std::string others =
      fmt::format("other jobs have used {} over '{}'", counted(before, "sum", "sums"), budget.population);
  if (!budget.maximum) return fmt::format("{}; policy.yaml states no maximum_sums; {}", releases.total(), others);
  return fmt::format("{} of the {} that maximum_sums allows; {}", releases.total(), *budget.maximum, others);
}

std::string time_in_words(std::int64_t seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::string state_in_words(const std::optional<Decision>& decision, bool accepted) {
  if (!decision) return accepted ? "accepted by the policy" : "waits for approval";
  return fmt::format("{} by {} on {}", decision->approved ? "approved" : "declined", decision->by,
                     time_in_words(decision->at));
}

Facts facts_of(const Offer& offer, const job::JobSpec& job, const std::optional<Decision>& decision, bool accepted,
               const SumBudget& budget) {
  Facts facts{
      {"job", fmt::format("{} ('{}'), first offered on {}", offer.job_id, job.name, time_in_words(offer.seen_at))},
      {"state", state_in_words(decision, accepted)},
      {"who asks", fmt::format("{} (signature verified)", offer.job.researcher)},
      {"digest", crypto::to_hex(offer.job.digest)},
      {"hospitals", sites_in_words(job)},
      {"model", model_in_words(job)},
      {"starts from", weights_in_words(job)},
      {"training", training_in_words(job)},
      {"what leaves", releases_in_words(job)},
      {"who gets it", readers_in_words(job)},
      {"sums used", budget_in_words(releases_of(job), budget)}};
  const std::vector<std::string> unusual = unusual_in(job);
  facts.emplace_back("unusual", unusual.empty() ? "nothing" : unusual.front());
  for (std::size_t i = 1; i < unusual.size(); ++i) facts.emplace_back("", unusual[i]);
  facts.emplace_back("to approve", fmt::format("consilium-client approve {} {}", crypto::to_hex(offer.job.digest),
                                               offer.job.researcher));
  return facts;
}

}  // namespace consilium::approval
