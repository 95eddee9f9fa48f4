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
  double learning_rate = 0.0;  ///< of the first round after the warm-up; see LearningRateSchedule
  double momentum = 0.0;       ///< sgd only
  double weight_decay = 0.0;   ///< L2 for sgd and adam, decoupled for adamw
  double beta1 = 0.9;          ///< adam, adamw
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool operator==(const OptimizerSpec&) const = default;
};

/// Factors of the learning rate by words that name layers (model/layer_names.h). Where several name a layer, the
/// longest counts; where none does, the factor is 1.
using RateFactors = std::map<std::string, double>;

enum class ScheduleKind : std::uint8_t { kConstant = 1, kStep = 2, kCosine = 3 };

/// The learning rate by round: constant; step: times `factor` every `every` rounds; cosine: from learning_rate down to
/// `minimum` at the last round. Before all of them the rate may warm up (Goyal et al. 2017, section 2.2): in round r of
/// `warmup` it is learning_rate * r / (warmup + 1), and the schedule begins in the round after.
struct LearningRateSchedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  std::uint32_t every = 1;
  double factor = 1.0;
  double minimum = 0.0;
  std::uint32_t warmup = 0;  ///< rounds before the one that has learning_rate; fewer than the job has
  bool operator==(const LearningRateSchedule&) const = default;
};

/// What convolutions and linear layers compute in: float32, or bfloat16 with sums in float32 (Micikevicius et al. 2018,
/// section 3; Kalamkar et al. 2019). Parameters, normalisation's statistics, losses and optimiser stay float32.
enum class Precision : std::uint8_t { kFloat32 = 1, kBfloat16 = 2 };

struct TrainingSpec {
  std::uint32_t local_epochs = 1;
  std::uint32_t batch_size = 32;
  OptimizerSpec optimizer;
  LearningRateSchedule schedule;
  std::optional<std::chrono::milliseconds> time_limit;  ///< of one site in one round; what is done by then is "partial"
  task::LossSpec loss;
  Precision precision = Precision::kFloat32;
  /// Of a step's gradient over all trained parameters, the largest Euclidean norm (Pascanu et al. 2013, algorithm 1);
  /// none: as it is.
  std::optional<double> gradient_clip{};
  RateFactors learning_rates{};  ///< discriminative fine-tuning (Howard and Ruder 2018, section 3.2)
  bool operator==(const TrainingSpec&) const = default;
};

/// (x - mean) / std, after x / 255 where the images are uint8. One value for all channels, or one for each.
struct Normalization {
  std::vector<double> mean;
  std::vector<double> std;
  bool operator==(const Normalization&) const = default;
};

/// An anatomical atlas as further input channels: a public map, such as the probability of each structure, that each
/// site has as a file of its own and brings to each image's space.
struct AtlasSpec {
  std::string name;            ///< that each site's client.yaml maps to a file
  crypto::Digest sha256{};     ///< of the file
  std::uint32_t channels = 1;  ///< maps in it: the last channels of the model's input
  bool operator==(const AtlasSpec&) const = default;
};

struct DataSpec {
  std::string dataset;  ///< a name that each site's client.yaml maps to what lies on its disk
  std::optional<Normalization> normalize;
  /// Random changes of training examples, at every site in the place of its own; none: as each site says.
  std::optional<task::Augment> augment{};
  std::optional<AtlasSpec> atlas{};
  bool operator==(const DataSpec&) const = default;
};

/// Site names and the keys that speak for them: SHA-256 of each certificate's SubjectPublicKeyInfo.
using Roster = std::map<std::string, crypto::Digest>;

struct FederationSpec {
  std::uint32_t rounds = 1;
  std::vector<std::string> sites{};  ///< empty: every site that accepts the job
  Roster roster{};                   ///< of `sites`; empty without masks, and in a masked job before it is submitted
  /// Mode `masked-threshold`: disjoint groups of `sites`, names sorted, over which counts are summed; empty: one of
  /// all. See count_groups().
  std::vector<std::vector<std::string>> count_groups{};
  double fraction = 1.0;  ///< cohort = max(1, round(fraction x sites))
  /// Connected before a round starts. 0 in a masked job that doesn't state it and has no roster yet.
  std::uint32_t minimum_sites = 1;
  double quorum = 1.0;                                           ///< share of the cohort that must answer
  std::chrono::milliseconds deadline{std::chrono::minutes(30)};  ///< of one session (census, train or evaluate)
  bool operator==(const FederationSpec&) const = default;
};

enum class StrategyKind : std::uint8_t { kFedAvg = 1, kFedProx = 2 };
/// Divisor of the weighted sum (docs/formats/encoding.md): kCohort the sum of w of those who answered; kPopulation
/// multiplies by members / answered instead.
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
  /// How many sites may collude, see colluding_sites(job); masked jobs only, and stated once a roster is known.
  std::optional<std::uint32_t> colluding_sites = std::nullopt;
  double clip = 16.0;           ///< of each trainable coordinate of a delta; a power of two
  double buffer_clip = 1024.0;  ///< of each buffer coordinate (running statistics)
  bool operator==(const PrivacySpec&) const = default;
};

/// What a job in mode `masked` takes from the roster: the population that its data set belongs to (roster::Population).
/// A site compares it with its own roster file. Every sum of the job is over one whole group.
struct PopulationTerms {
  std::string name;
  std::uint64_t examples = 0;  ///< B: no site has more training examples
  /// Disjoint; names sorted. Together they are the job's sites.
  std::vector<std::vector<std::string>> groups;
  crypto::Digest history{};  ///< roster::history_digest()
  bool operator==(const PopulationTerms&) const = default;
};

enum class Split : std::uint8_t { kTrain = 1, kVal = 2, kTest = 3 };

struct EvaluationSpec {
  std::uint32_t every = 1;  ///< rounds between evaluations; 0 is never
  Split split = Split::kVal;
  /// The metric by which rounds are compared (task::metric_names()); empty: they aren't.
  std::string metric{};
  /// Evaluations in a row without a better value after which the job ends; 0: it runs all its rounds.
  std::uint32_t patience = 0;
  bool keep_best = false;  ///< is the job's model that of the best round, or of the last?
  /// Does each site also train a model by itself, with the same rounds and epochs, whose counts are evaluated beside?
  bool alone = false;
  bool operator==(const EvaluationSpec&) const = default;
};

/// A job as its researcher declares it, validated. Everything that a hospital approves is in here and in its digest.
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
  /// Mode `masked` of a masked job; without it a masked job is of mode `masked-threshold`.
  std::optional<PopulationTerms> population;
  /// A path as written; the submitting command reads the file and puts its vector's digest in its place.
  std::optional<std::string> initial_weights;
  /// Layers that begin as the seed draws them and not as the file says, by the words of model/layer_names.h, sorted;
  /// the submitting command reads them with the path.
  std::vector<std::string> replaced_layers{};
  std::optional<crypto::Digest> initial_weights_digest;
  std::uint64_t seed = 0;
  /// Names of further researchers who may watch the job and fetch its models and its report.
  std::vector<std::string> readers;

  bool operator==(const JobSpec&) const = default;
};

/// Are the job's sums masked, so that nobody sees a single site's part?
[[nodiscard]] inline bool is_masked(const JobSpec& job) {
  return job.privacy.secure_aggregation == SecureAggregation::kRequired;
}

/// Is every sum of the job over one whole group of its population (mode `masked`)?
[[nodiscard]] inline bool sums_whole_groups(const JobSpec& job) { return job.population.has_value(); }

/// Is the model of this round (1-based) evaluated: every `evaluation.every` rounds, and after the last one?
[[nodiscard]] bool evaluates_after(const JobSpec& job, std::uint32_t round);

/// Names as jobs write them: "fedavg", "val", "sgd", ...
/// The channels of the model's input that come from an image; the last ones are the atlas's.
[[nodiscard]] std::int64_t image_channels(const JobSpec& job);
/// What the model's input is normalised by: data.normalize, and where there is an atlas a value for each channel, those
/// of the atlas left as they are.
[[nodiscard]] std::optional<Normalization> input_normalization(const JobSpec& job);

[[nodiscard]] std::string_view name_of(OptimizerKind kind);
[[nodiscard]] std::string_view name_of(Precision precision);
[[nodiscard]] std::string_view name_of(Weighting weighting);
[[nodiscard]] std::string_view name_of(SecureAggregation mode);
[[nodiscard]] std::string_view name_of(Split split);

/// The learning rate of a round (1-based) under the job's schedule.
[[nodiscard]] double learning_rate_at(const JobSpec& job, std::uint32_t round);

}  // namespace consilium::job
