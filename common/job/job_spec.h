#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/model/model_spec.h"
#include "common/task/augment.h"
#include "common/task/task_spec.h"

namespace consilium::job {

enum class OptimizerKind : std::uint8_t { kSgd = 1, kAdam = 2, kAdamW = 3 };

/// The local optimiser, with PyTorch's meaning of every number.
struct OptimizerSpec {
  OptimizerKind kind = OptimizerKind::kSgd;
  double learning_rate = 0.0;  ///< in the first round after the warm-up; see LearningRateSchedule
  double momentum = 0.0;       ///< sgd only
  double weight_decay = 0.0;   ///< L2 for sgd and adam, decoupled for adamw
  double beta1 = 0.9;          ///< adam, adamw
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool operator==(const OptimizerSpec&) const = default;
};

/// Factors of the learning rate by words that name layers (model/layer_names.h). If several words name a layer, the
/// longest applies; if none does, the factor is 1.
using RateFactors = std::map<std::string, double>;

enum class ScheduleKind : std::uint8_t { kConstant = 1, kStep = 2, kCosine = 3 };

/// The learning rate by round. Constant: always the same. Step: multiplied by `factor` every `every` rounds. Cosine:
/// from learning_rate down to `minimum` at the last round. Before the schedule the rate may warm up (Goyal et al. 2017,
/// section 2.2): in round r of `warmup` it is learning_rate * r / (warmup + 1), and the schedule starts in the
/// following round.
struct LearningRateSchedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  std::uint32_t every = 1;
  double factor = 1.0;
  double minimum = 0.0;
  std::uint32_t warmup = 0;  ///< rounds of warm-up; fewer than `rounds_before` and the job's rounds together
  /// Rounds that an earlier job trained, whose model this one begins with. The schedule counts on from there.
  std::uint32_t rounds_before = 0;
  bool operator==(const LearningRateSchedule&) const = default;
};

/// The type in which convolutions and linear layers compute: float32, or bfloat16 with sums in float32 (Micikevicius et
/// al. 2018, section 3; Kalamkar et al. 2019). Parameters, statistics of normalisations, losses and the optimiser stay
/// float32.
enum class Precision : std::uint8_t { kFloat32 = 1, kBfloat16 = 2 };

struct TrainingSpec {
  std::uint32_t local_epochs = 1;
  std::uint32_t batch_size = 32;
  OptimizerSpec optimizer;
  LearningRateSchedule schedule;
  std::optional<std::chrono::milliseconds> time_limit;  ///< for one site in one round; work done by then is "partial"
  task::LossSpec loss;
  Precision precision = Precision::kFloat32;
  /// The largest Euclidean norm of a step's gradient over all trained parameters (Pascanu et al. 2013, algorithm 1);
  /// without it, gradients aren't clipped.
  std::optional<double> gradient_clip{};
  RateFactors learning_rates{};  ///< discriminative fine-tuning (Howard and Ruder 2018, section 3.2)
  bool operator==(const TrainingSpec&) const = default;
};

/// (x - mean) / std, computed after x / 255 if the images are uint8. One value for all channels, or one for each.
struct Normalization {
  std::vector<double> mean;
  std::vector<double> std;
  bool operator==(const Normalization&) const = default;
};

/// An anatomical atlas that adds input channels. It is a public map, such as the probability of each structure. Each
/// site has its own copy of the file and transforms the map to each image's space.
struct AtlasSpec {
  std::string name;            ///< each site's client.yaml maps this name to a file
  crypto::Digest sha256{};     ///< of the file
  std::uint32_t channels = 1;  ///< number of maps in it: the last channels of the model's input
  bool operator==(const AtlasSpec&) const = default;
};

struct DataSpec {
  std::string dataset;  ///< a name that each site's client.yaml maps to the data on its disk
  std::optional<Normalization> normalize;
  /// Augmentation of training examples, which overrides each site's own; without it, the site's own applies.
  std::optional<task::Augment> augment{};
  std::optional<AtlasSpec> atlas{};
  bool operator==(const DataSpec&) const = default;
};

/// Site names, each with the key that identifies the site: SHA-256 of its certificate's SubjectPublicKeyInfo.
using Roster = std::map<std::string, crypto::Digest>;

struct FederationSpec {
  std::uint32_t rounds = 1;
  std::vector<std::string> sites{};  ///< empty: every site that accepts the job
  Roster roster{};                   ///< of `sites`; empty in plain jobs, and in a masked job before it is submitted
  /// Mode `masked-threshold`: disjoint groups of `sites`, names sorted, over which counts are summed. Empty: one group
  /// of all sites. See count_groups().
  std::vector<std::vector<std::string>> count_groups{};
  double fraction = 1.0;  ///< cohort = max(1, round(fraction x sites))
  /// Sites that must be connected before a round starts. 0 in a masked job that doesn't state it and has no roster yet.
  std::uint32_t minimum_sites = 1;
  double quorum = 1.0;                                           ///< share of the cohort that must answer
  std::chrono::milliseconds deadline{std::chrono::minutes(30)};  ///< of one session (census, train or evaluate)
  bool operator==(const FederationSpec&) const = default;
};

enum class StrategyKind : std::uint8_t { kFedAvg = 1, kFedProx = 2 };
/// Divisor of the weighted sum (docs/formats/encoding.md). kCohort: the sum of w over the sites that answered.
/// kPopulation: answered / members, so that the sum is multiplied by members / answered.
enum class Weighting : std::uint8_t { kCohort = 1, kPopulation = 2 };

/// How updates become the next model. job::strategies() describes every kind.
struct StrategySpec {
  StrategyKind kind = StrategyKind::kFedAvg;
  double mu = 0.0;  ///< FedProx's proximal coefficient (Li et al. 2020, equation 2)
  Weighting weighting = Weighting::kCohort;
  bool operator==(const StrategySpec&) const = default;
};

enum class SecureAggregation : std::uint8_t { kRequired = 1, kOff = 2 };

struct PrivacySpec {
  SecureAggregation secure_aggregation = SecureAggregation::kRequired;
  /// How many sites may collude, see colluding_sites(job). Only in masked jobs; always set once the roster is known.
  std::optional<std::uint32_t> colluding_sites = std::nullopt;
  double clip = 16.0;           ///< bound on each trainable coordinate of a delta; a power of two
  double buffer_clip = 1024.0;  ///< bound on each buffer coordinate (running statistics)
  bool operator==(const PrivacySpec&) const = default;
};

/// The terms that a job in mode `masked` takes from the roster: the population that its data set belongs to
/// (roster::Population). A site compares them with its own roster file. Every sum of the job is over one whole group.
struct PopulationTerms {
  std::string name;
  std::uint64_t examples = 0;  ///< B: upper bound on the training examples of one site
  /// Disjoint, with names sorted. Together they are all of the job's sites.
  std::vector<std::vector<std::string>> groups;
  crypto::Digest history{};  ///< roster::history_digest()
  bool operator==(const PopulationTerms&) const = default;
};

enum class Split : std::uint8_t { kTrain = 1, kVal = 2, kTest = 3 };

struct EvaluationSpec {
  std::uint32_t every = 1;  ///< rounds between evaluations; 0: never
  Split split = Split::kVal;
  /// The metric by which rounds are compared (task::metric_names()). Empty: rounds aren't compared.
  std::string metric{};
  /// The job ends after this many evaluations in a row without a better value; 0: it runs all its rounds.
  std::uint32_t patience = 0;
  bool keep_best = false;  ///< true: the job's model is that of the best round; false: that of the last
  /// Whether each site also trains a model by itself, with the same rounds and epochs, and evaluates it too.
  bool alone = false;
  bool operator==(const EvaluationSpec&) const = default;
};

/// A validated job as its researcher declares it. Everything that a hospital approves is in here and in its digest.
struct JobSpec {
  std::string name;
  model::ModelSpec model;
  task::TaskSpec task;
  DataSpec data;
  TrainingSpec training;
  FederationSpec federation;
  StrategySpec strategy;
  PrivacySpec privacy;
  EvaluationSpec evaluation;
  /// Present in a masked job of mode `masked`; without it, a masked job is of mode `masked-threshold`.
  std::optional<PopulationTerms> population;
  /// A path as written. The submitting command reads the file and replaces the path by the digest of its vector.
  std::optional<std::string> initial_weights;
  /// Layers that start with weights drawn from the seed instead of those in the file, named as in model/layer_names.h,
  /// sorted. The submitting command uses them when it reads the file.
  std::vector<std::string> replaced_layers{};
  std::optional<crypto::Digest> initial_weights_digest;
  std::uint64_t seed = 0;
  /// Names of further researchers who may watch the job and fetch its models and its report.
  std::vector<std::string> readers;

  bool operator==(const JobSpec&) const = default;
};

/// Returns true if the job's sums are masked, so that nobody sees a single site's contribution.
[[nodiscard]] inline bool is_masked(const JobSpec& job) {
  return job.privacy.secure_aggregation == SecureAggregation::kRequired;
}

/// Returns true if every sum of the job is over one whole group of its population (mode `masked`).
[[nodiscard]] inline bool sums_whole_groups(const JobSpec& job) { return job.population.has_value(); }

/// Returns true if the model of this round (1-based) is evaluated, which happens every `evaluation.every` rounds and
/// after the last one.
[[nodiscard]] bool evaluates_after(const JobSpec& job, std::uint32_t round);

/// Returns how many channels of the model's input come from an image. The channels after them are the atlas's.
[[nodiscard]] std::int64_t image_channels(const JobSpec& job);
/// Returns the normalisation of the model's input: data.normalize or, with an atlas, one value for each channel, which
/// leaves the atlas's channels unchanged.
[[nodiscard]] std::optional<Normalization> input_normalization(const JobSpec& job);

[[nodiscard]] std::string_view name_of(OptimizerKind kind);
[[nodiscard]] std::string_view name_of(Precision precision);
[[nodiscard]] std::string_view name_of(Weighting weighting);
[[nodiscard]] std::string_view name_of(SecureAggregation mode);
[[nodiscard]] std::string_view name_of(Split split);

/// Returns the learning rate of a round (1-based) under the job's schedule.
[[nodiscard]] double learning_rate_at(const JobSpec& job, std::uint32_t round);

}  // namespace consilium::job
