#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "common/config/scalars.h"
#include "common/config/section.h"
#include "common/job/job_limits.h"
#include "common/job/job_sections.h"
#include "common/job/job_text.h"
#include "common/job/learning_rates.h"
#include "common/job/masked_job.h"
#include "common/job/strategies.h"
#include "common/model/layer_names.h"
#include "common/model/model_json.h"
#include "common/task/metric_names.h"
#include "common/task/task_json.h"

namespace consilium::job {
namespace {

using config::IntegerRange;
using config::kNotNegative;
using config::kPositive;
using config::kShare;
using config::Section;
using config::Value;

Result<model::ModelSpec> parse_model(const Value& value) {
  if (!value.is_map()) return fail(value.expected("a map"));
  auto spec = model::model_from_json(value.json());
  if (!spec) return fail(value.problem_below(spec.error().message, spec.error().code));
  if (const auto layers = model::expand(*spec); !layers) {
    std::string_view message = layers.error().message;
    if (message.starts_with("model.")) message.remove_prefix(std::string_view("model.").size());
    return fail(value.problem_below(message, layers.error().code));
  }
  return spec;
}

Result<std::vector<double>> parse_channel_values(const Value& value, std::size_t channels,
                                                 const config::NumberRange& range) {
  if (value.present() && !value.is_list()) {
    CONSILIUM_ASSIGN(const double number, value.number(range));
    return std::vector<double>{number};
  }
  CONSILIUM_ASSIGN(const std::vector<Value> items, value.items(4096));
  if (items.size() != 1 && items.size() != channels) {
    const std::string or_channels = channels == 1 ? "" : fmt::format(", or {} (the image's channels)", channels);
    return fail(value.problem(fmt::format("expected 1 number{}, found {}", or_channels, items.size())));
  }
  std::vector<double> numbers;
  for (const Value& item : items) {
    CONSILIUM_ASSIGN(const double number, item.number(range));
    numbers.push_back(number);
  }
  return numbers;
}

/// @param expected  describes the digest in the error: "64 hexadecimal digits"
Result<crypto::Digest> parse_digest(const Value& value, std::string_view expected) {
  CONSILIUM_ASSIGN(const std::string hex, value.text());
  const auto digest = crypto::digest_from_hex(hex);
  if (!digest) return fail(value.expected(expected));
  return *digest;
}

Result<AtlasSpec> parse_atlas(const Value& value, const model::ModelSpec& model) {
  AtlasSpec atlas;
  Section section(value, {"name", "sha256", "channels"}, {});
  section.name("name", atlas.name);
  section.integer("channels", atlas.channels, {1, kMaxAtlasChannels});
  CONSILIUM_TRY(section.result());
  CONSILIUM_ASSIGN(atlas.sha256, parse_digest(section.at("sha256"), "the SHA-256 of the file: 64 hexadecimal digits"));
  if (model.input.size() < 3) return fail(value.problem("only with images; the model's input is a list of features"));
  if (std::cmp_greater_equal(atlas.channels, model.input.front()))
    return fail(section.at("channels")
                    .problem(fmt::format("expected fewer channels than the {} of the model's input, because the image "
                                         "needs at least one of them",
                                         model.input.front())));
  return atlas;
}

Result<DataSpec> parse_data(const Value& value, const model::ModelSpec& model) {
  DataSpec data;
  Section section(value, {"dataset"}, {"normalize", "augment", "atlas"});
  section.name("dataset", data.dataset);
  if (section.ok() && section.has("atlas")) {
    CONSILIUM_ASSIGN(data.atlas, parse_atlas(section.at("atlas"), model));
  }
  if (section.ok() && section.has("normalize")) {
    const Section normalize(section.at("normalize"), {"mean", "std"}, {});
    CONSILIUM_TRY(normalize.result());
    const std::int64_t all = model.input.size() > 1 ? model.input.front() : 1;
    const auto channels = static_cast<std::size_t>(all - (data.atlas ? data.atlas->channels : 0));
    CONSILIUM_ASSIGN(auto mean, parse_channel_values(normalize.at("mean"), channels, {.low = -1e9, .high = 1e9}));
    CONSILIUM_ASSIGN(auto std, parse_channel_values(normalize.at("std"), channels, {.low = 1e-9, .high = 1e9}));
    data.normalize = Normalization{std::move(mean), std::move(std)};
  }
  CONSILIUM_TRY(section.result());
  if (section.has("augment")) {
    const Value augment = section.at("augment");
    if (model.input.size() < 3)
      return fail(augment.problem("only with images; the model's input is a list of features"));
    auto read = task::augment_from_json(augment.json());
    if (!read) return fail(problem_at(augment, "augment.", read.error()));
    data.augment = *read;
  }
  return data;
}

Result<Roster> parse_roster(const Value& value) {
  Roster roster;
  CONSILIUM_ASSIGN(const auto pairs, value.pairs(kMaxMaskedSites));
  for (const auto& [site, key] : pairs) {
    if (!config::is_name(site))
      return fail(key.problem(fmt::format("not a site's name; expected {}", config::kNameRule)));
    CONSILIUM_ASSIGN(const crypto::Digest digest, parse_digest(key, "the fingerprint of a key: 64 hexadecimal digits"));
    roster.emplace(site, digest);
  }
  return roster;
}

Result<std::vector<std::vector<std::string>>> parse_groups(const Value& value) {
  std::vector<std::vector<std::string>> groups;
  CONSILIUM_ASSIGN(const std::vector<Value> items, value.items(kMaxCountGroups));
  for (const Value& item : items) {
    CONSILIUM_ASSIGN(std::vector<std::string> sites, item.names(1, kMaxMaskedSites));
    std::ranges::sort(sites);
    groups.push_back(std::move(sites));
  }
  if (groups.empty()) return fail(value.problem("expected at least one group of sites, found none"));
  return groups;
}

/// Reads the keys that only masked jobs have, and refuses them in any other job.
Result<void> parse_masked_federation(Section& section, bool masked, FederationSpec& federation) {
  if (!masked) {
    for (const std::string_view key : {"roster", "count_groups"})
      refuse_key(section, key, "privacy.secure_aggregation: required");
    return section.result();
  }
  if (section.ok() && section.has("roster")) {
    CONSILIUM_ASSIGN(federation.roster, parse_roster(section.at("roster")));
    if (federation.roster.empty())
      return fail(section.at("roster").problem("expected sites and their keys, found none"));
  }
  if (section.ok() && section.has("count_groups")) {
    CONSILIUM_ASSIGN(federation.count_groups, parse_groups(section.at("count_groups")));
  }
  return section.result();
}

Result<FederationSpec> parse_federation(const Value& value, bool masked) {
  FederationSpec federation;
  if (masked) federation.minimum_sites = 0;
  Section section(value, {"rounds"},
                  {"sites", "roster", "count_groups", "fraction", "minimum_sites", "quorum", "deadline"});
  CONSILIUM_TRY(parse_masked_federation(section, masked, federation));
  section.integer("rounds", federation.rounds, {1, kMaxRounds});
  section.names("sites", federation.sites, 1, kMaxSites);
  section.number("fraction", federation.fraction, kShare);
  section.integer("minimum_sites", federation.minimum_sites, {1, kMaxSites});
  section.number("quorum", federation.quorum, kShare);
  section.duration("deadline", federation.deadline, kTimes);
  if (!federation.sites.empty() && federation.minimum_sites > federation.sites.size()) {
    section.refuse(section.at("minimum_sites")
                       .problem(fmt::format("expected at most the {} sites that the job lists, found {}",
                                            federation.sites.size(), federation.minimum_sites)));
  }
  CONSILIUM_TRY(section.result());
  return federation;
}

Result<void> parse_clip(Section& section, std::string_view key, double& clip) {
  section.number(key, clip, {.low = kMinClip, .high = kMaxClip});
  int exponent = 0;
  if (section.ok() && std::frexp(clip, &exponent) != 0.5)
    section.refuse(section.at(key).expected("a power of two, e.g. 8, 16 or 0.5"));
  return section.result();
}

Result<PrivacySpec> parse_privacy(const Value& value) {
  PrivacySpec privacy;
  Section section(value, {}, {"secure_aggregation", "colluding_sites", "clip", "buffer_clip"});
  section.choice<SecureAggregation>("secure_aggregation", privacy.secure_aggregation,
                                    {{"required", SecureAggregation::kRequired}, {"off", SecureAggregation::kOff}});
  if (privacy.secure_aggregation == SecureAggregation::kOff)
    refuse_key(section, "colluding_sites", "secure_aggregation: required");
  else if (section.ok() && section.has("colluding_sites"))
    section.integer("colluding_sites", privacy.colluding_sites.emplace(), {1, kMaxColludingSites});
  CONSILIUM_TRY(parse_clip(section, "clip", privacy.clip));
  CONSILIUM_TRY(parse_clip(section, "buffer_clip", privacy.buffer_clip));
  return privacy;
}

/// Reads `strategy.name`, and the parameters of the strategy that it names.
void parse_strategy_kind(Section& section, StrategySpec& strategy) {
  config::Choices<StrategyKind> names;
  for (const StrategyTraits& known : strategies()) names.emplace_back(known.name, known.kind);
  section.choice<StrategyKind>("name", strategy.kind, names);
  for (const StrategyTraits& known : strategies()) {
    for (const StrategyParameter& parameter : known.parameters) {
      if (known.kind != strategy.kind) {
        refuse_key(section, parameter.key, fmt::format("strategy {}", known.name));
        continue;
      }
      if (!section.has(parameter.key)) section.refuse(section.at(parameter.key).problem("this key is missing"));
      section.number(parameter.key, strategy.*parameter.value, kNotNegative);
    }
  }
}

/// @param masked  whether single updates are hidden
/// @param hidden  whether single sites' numbers of examples are hidden while cohorts change, as in mode
///                masked-threshold
Result<StrategySpec> parse_strategy(const Value& value, bool masked, bool hidden) {
  StrategySpec strategy;
  strategy.weighting = hidden ? Weighting::kPopulation : Weighting::kCohort;
  if (!value.present()) return strategy;
  std::vector<std::string_view> optional{"weighting"};
  for (const StrategyTraits& known : strategies()) {
    for (const StrategyParameter& parameter : known.parameters) optional.push_back(parameter.key);
  }
  Section section(value, {"name"}, optional);
  parse_strategy_kind(section, strategy);
  if (const auto fits = check_maskable(traits_of(strategy.kind), masked); !fits)
    section.refuse(section.at("name").problem(fits.error().message));
  section.choice<Weighting>("weighting", strategy.weighting,
                            {{"cohort", Weighting::kCohort}, {"population", Weighting::kPopulation}});
  if (hidden && strategy.weighting == Weighting::kCohort) {
    section.refuse(section.at("weighting")
                       .problem("'cohort' would reveal each site's number of examples, by the differences between the "
                                "sums of changing cohorts; secure aggregation hides that number, so write population, "
                                "or privacy.secure_aggregation: off"));
  }
  CONSILIUM_TRY(section.result());
  return strategy;
}

/// Reads the population of a job in its canonical form. Researchers leave the key out; submit takes it from the roster.
Result<std::optional<PopulationTerms>> parse_population(const Value& value) {
  if (!value.present()) return std::nullopt;
  PopulationTerms terms;
  Section section(value, {"name", "examples", "groups", "history"}, {});
  section.name("name", terms.name);
  section.integer("examples", terms.examples, {1, kMaxPopulationExamples});
  CONSILIUM_TRY(section.result());
  CONSILIUM_ASSIGN(terms.groups, parse_groups(section.at("groups")));
  CONSILIUM_ASSIGN(terms.history, parse_digest(section.at("history"), "64 hexadecimal digits"));
  return terms;
}

/// Reads the metric by which rounds are compared, and what the comparison is used for.
Result<void> parse_comparison(Section& section, const task::TaskSpec& task, EvaluationSpec& evaluation) {
  if (!section.ok() || !section.has("metric")) {
    for (const std::string_view key : {"patience", "keep"}) refuse_key(section, key, "evaluation.metric");
    return section.result();
  }
  config::Choices<std::string_view> metrics;
  for (const std::string_view name : task::metric_names(task)) metrics.emplace_back(name, name);
  std::string_view metric;
  section.choice("metric", metric, metrics);
  evaluation.metric = metric;
  if (section.ok() && evaluation.every == 0)
    section.refuse(section.at("metric").problem("needs evaluations; expected an evaluation.every of at least 1"));
  section.integer("patience", evaluation.patience, {1, kMaxRounds});
  section.choice<bool>("keep", evaluation.keep_best, {{"last", false}, {"best", true}});
  return section.result();
}

Result<EvaluationSpec> parse_evaluation(const Value& value, const task::TaskSpec& task) {
  EvaluationSpec evaluation;
  Section section(value, {}, {"every", "split", "metric", "patience", "keep", "alone"});
  section.integer("every", evaluation.every, {0, kMaxRounds});
  section.choice<Split>("split", evaluation.split,
                        {{"train", Split::kTrain}, {"val", Split::kVal}, {"test", Split::kTest}});
  section.boolean("alone", evaluation.alone);
  if (section.ok() && evaluation.alone && evaluation.every == 0)
    section.refuse(section.at("alone").problem("needs evaluations; expected an evaluation.every of at least 1"));
  CONSILIUM_TRY(parse_comparison(section, task, evaluation));
  return evaluation;
}

/// Reads a set of words that name layers of the model. Their order means nothing.
Result<std::vector<std::string>> parse_layers(const Value& value, const model::ModelSpec& model) {
  CONSILIUM_ASSIGN(const model::Graph graph, model::expand(model));
  CONSILIUM_ASSIGN(const std::vector<Value> items, value.items(kMaxLayerWords));
  std::vector<std::string> words;
  for (const Value& item : items) {
    CONSILIUM_ASSIGN(std::string word, item.text());
    if (const auto known = model::check_layer_name(graph, word); !known)
      return fail(item.problem(known.error().message));
    words.push_back(std::move(word));
  }
  std::ranges::sort(words);
  const auto twice = std::ranges::adjacent_find(words);
  if (twice != words.end()) return fail(value.problem(fmt::format("names '{}' twice", *twice)));
  if (words.empty()) return fail(value.problem("expected at least one layer, found none"));
  return words;
}

Result<void> parse_initial_weights(const Value& value, JobSpec& job) {
  if (!value.present()) return {};
  if (!value.is_map()) {
    CONSILIUM_ASSIGN(job.initial_weights, value.text(4096));
    return {};
  }
  Section section(value, {}, {"sha256", "path", "replace"});
  if (section.has("path")) section.text("path", job.initial_weights.emplace(), 4096);
  if (section.ok() && !section.has("path") && !section.has("sha256"))
    section.refuse(value.problem("expected path, the name of a safetensors file"));
  CONSILIUM_TRY(section.result());
  if (section.has("replace")) {
    CONSILIUM_ASSIGN(job.replaced_layers, parse_layers(section.at("replace"), job.model));
  }
  if (!section.has("sha256")) return {};
  // The vector of this digest is complete: its replaced layers have already been drawn.
  refuse_key(section, "replace", "path, and without sha256");
  CONSILIUM_TRY(section.result());
  CONSILIUM_ASSIGN(job.initial_weights_digest, parse_digest(section.at("sha256"), "64 hexadecimal digits"));
  return {};
}

/// Completes a job that already has its population's terms.
Result<JobSpec> with_own_population(JobSpec job) {
  const Roster roster = job.federation.roster;
  const std::uint32_t colluding = *job.privacy.colluding_sites;
  PopulationTerms terms = *std::move(job.population);
  return with_population(std::move(job), roster, colluding, std::move(terms));
}

/// Checks the schedule against the number of rounds, which is parsed later than the schedule.
Result<void> check_schedule(const Value& value, const JobSpec& job) {
  const LearningRateSchedule& schedule = job.training.schedule;
  if (schedule.rounds_before + job.federation.rounds > kMaxRounds) {
    return fail(value.at("rounds_before")
                    .problem(fmt::format("expected at most {} rounds together with federation.rounds, which is {}; "
                                         "found {}",
                                         kMaxRounds, job.federation.rounds, schedule.rounds_before)));
  }
  if (schedule.warmup >= schedule.rounds_before + job.federation.rounds) {
    return fail(
        value.at("warmup").problem(fmt::format("expected fewer rounds than federation.rounds, which is {}, so that at "
                                               "least one round has the full learning rate; found {}",
                                               job.federation.rounds, schedule.warmup)));
  }
  if (std::isnormal(learning_rates(job).first)) return {};
  return fail(value.problem(
      "the learning rate is too close to 0 in the first or the last round; expected a larger learning rate or factor"));
}

Result<JobSpec> parse_root(const Value& root) {
  JobSpec job;
  Section section(root, {"name", "model", "data", "training", "federation"},
                  {"task", "strategy", "privacy", "evaluation", "initial_weights", "seed", "readers", "population"});
  section.name("name", job.name);
  section.integer("seed", job.seed, {});
  section.names("readers", job.readers, 1, kMaxReaders);
  CONSILIUM_TRY(section.result());
  CONSILIUM_ASSIGN(job.model, parse_model(section.at("model")));
  CONSILIUM_ASSIGN(job.data, parse_data(section.at("data"), job.model));
  CONSILIUM_ASSIGN(job.task, parse_task(section.at("task")));
  CONSILIUM_TRY(check_task(section.at(section.has("task") ? "task" : "model"), job));
  CONSILIUM_ASSIGN(job.training, parse_training(section.at("training"), job));
  CONSILIUM_ASSIGN(job.privacy, parse_privacy(section.at("privacy")));
  if (is_masked(job)) {
    CONSILIUM_ASSIGN(job.population, parse_population(section.at("population")));
  } else {
    refuse_key(section, "population", "privacy.secure_aggregation: required");
    CONSILIUM_TRY(section.result());
  }
  CONSILIUM_ASSIGN(job.federation, parse_federation(section.at("federation"), is_masked(job)));
  CONSILIUM_ASSIGN(job.strategy,
                   parse_strategy(section.at("strategy"), is_masked(job), is_masked(job) && !job.population));
  CONSILIUM_ASSIGN(job.evaluation, parse_evaluation(section.at("evaluation"), job.task));
  CONSILIUM_TRY(parse_initial_weights(section.at("initial_weights"), job));
  CONSILIUM_TRY(check_schedule(section.at("training").at("schedule"), job));
  if (job.population && (job.federation.roster.empty() || !job.privacy.colluding_sites)) {
    return fail(section.at("population")
                    .problem("a job with a population states federation.roster and privacy.colluding_sites too; leave "
                             "the key out, and let consilium submit --roster FILE fill it in"));
  }
  if (job.federation.roster.empty()) return job;
  const Roster roster = job.federation.roster;
  auto complete = job.population ? with_own_population(std::move(job)) : with_roster(std::move(job), roster);
  if (!complete) return fail(root.problem_below(complete.error().message, complete.error().code));
  return complete;
}

}  // namespace

Result<JobSpec> parse_job(std::string_view text, std::string_view source_name) {
  CONSILIUM_ASSIGN(const Value root, config::parse(text, source_name, {}, {.bytes = kMaxJobBytes}));
  return parse_root(root);
}

Result<JobSpec> read_job(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const Value root, config::read(file, {.bytes = kMaxJobBytes}));
  return parse_root(root);
}

}  // namespace consilium::job
