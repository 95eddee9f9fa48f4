#include <algorithm>
#include <iterator>
#include <span>

#include "client/policy/policy.h"
#include "common/config/section.h"
#include "common/job/job_limits.h"
#include "common/job/strategies.h"
#include "common/model/model_spec.h"

namespace consilium::policy {
namespace {

using config::Section;
using config::Value;

constexpr std::size_t kMaxListed = 10'000;
constexpr std::uint64_t kMaxCount = std::uint64_t{1} << 40;
/// The names that task::name_of() returns.
constexpr std::string_view kTasks[]{"classification", "multi_label", "segmentation", "detection"};

std::vector<std::string_view> strategy_names() {
  std::vector<std::string_view> names;
  for (const job::StrategyTraits& strategy : job::strategies()) names.push_back(strategy.name);
  return names;
}

/// Reads words that must be among `known`, so that a misspelt rule is an error and not a rule that never applies.
Result<std::vector<std::string>> read_words(const Value& value, std::span<const std::string_view> known) {
  std::vector<std::string> words;
  if (!value.present()) return words;
  CONSILIUM_ASSIGN(const std::vector<Value> items, value.items(known.size()));
  std::string list;
  for (const std::string_view word : known) list.append(list.empty() ? "" : ", ").append(word);
  for (const Value& item : items) {
    CONSILIUM_ASSIGN(std::string word, item.text());
    const bool twice = std::find(words.begin(), words.end(), word) != words.end();
    if (twice || std::find(known.begin(), known.end(), word) == known.end())
      return fail(item.expected("one of " + list + ", each once"));
    words.push_back(std::move(word));
  }
  return words;
}

Result<std::vector<crypto::Digest>> read_digests(const Value& value) {
  std::vector<crypto::Digest> digests;
  if (!value.present()) return digests;
  CONSILIUM_ASSIGN(const std::vector<Value> items, value.items(kMaxListed));
  for (const Value& item : items) {
    const auto text = item.text();
    const auto digest = text ? crypto::digest_from_hex(*text) : Result<crypto::Digest>(fail(text.error()));
    if (!digest)
      return fail(item.expected("a job's digest (64 hexadecimal digits, as the message that declines a job names it)"));
    digests.push_back(*digest);
  }
  return digests;
}

void read_limit(Section& section, std::string_view key, std::optional<std::uint32_t>& to, std::uint32_t most) {
  if (section.ok() && section.has(key)) section.integer(key, to.emplace(), {1, most});
}

void read_count(Section& section, std::string_view key, std::optional<std::uint64_t>& to) {
  if (section.ok() && section.has(key)) section.integer(key, to.emplace(), {1, kMaxCount});
}

/// Reads {at_least, at_most}. Either may be omitted, but not both.
Result<void> read_range(const Value& value, Range& range) {
  if (!value.present()) return {};
  Section section(value, {}, {"at_least", "at_most"});
  if (section.ok() && section.has("at_least")) section.number("at_least", range.at_least.emplace(), config::kPositive);
  if (section.ok() && section.has("at_most")) section.number("at_most", range.at_most.emplace(), config::kPositive);
  CONSILIUM_TRY(section.result());
  if (range == Range{} || (range.at_least && range.at_most && *range.at_least > *range.at_most))
    return fail(value.expected("at_least, at_most or both, with at_least not above at_most"));
  return {};
}

Result<Policy> from_root(const Value& root) {
  Policy::Rules rules;
  Section section(root, {},
                  {"researchers", "datasets", "tasks", "models", "strategies", "max_rounds", "max_local_epochs",
                   "minimum_cohort", "maximum_clip", "max_parameters", "batch_size", "learning_rate", "maximum_sums",
                   "allow_unmasked", "minimum_survivors", "allow_changed_cohort", "accept_digests", "sandbox"});
  section.names("researchers", rules.researchers, 0, kMaxListed);
  section.names("datasets", rules.datasets, 0, kMaxListed);
  read_limit(section, "max_rounds", rules.max_rounds, job::kMaxRounds);
  read_limit(section, "max_local_epochs", rules.max_local_epochs, job::kMaxLocalEpochs);
  read_limit(section, "minimum_cohort", rules.minimum_cohort, job::kMaxSites);
  if (section.ok() && section.has("maximum_clip"))
    section.number("maximum_clip", rules.maximum_clip.emplace(), config::kPositive);
  read_count(section, "max_parameters", rules.max_parameters);
  read_count(section, "maximum_sums", rules.maximum_sums);
  section.check(read_range(section.at("batch_size"), rules.batch_size));
  section.check(read_range(section.at("learning_rate"), rules.learning_rate));
  section.boolean("allow_unmasked", rules.allow_unmasked);
  read_limit(section, "minimum_survivors", rules.minimum_survivors, job::kMaxMaskedSites);
  section.boolean("allow_changed_cohort", rules.allow_changed_cohort);
  bool sandbox_required = true;
  section.choice<bool>("sandbox", sandbox_required, {{"required", true}, {"optional", false}});
  CONSILIUM_TRY(section.result());
  CONSILIUM_ASSIGN(rules.tasks, read_words(section.at("tasks"), kTasks));
  CONSILIUM_ASSIGN(rules.strategies, read_words(section.at("strategies"), strategy_names()));
  std::vector<std::string_view> models(model::known_models().begin(), model::known_models().end());
  models.emplace_back("layers");
  CONSILIUM_ASSIGN(rules.models, read_words(section.at("models"), models));
  if (section.has("models") && rules.models.empty()) {
    return fail(section.at("models").problem("expected at least one model; leave the key out to allow every model"));
  }
  CONSILIUM_ASSIGN(auto digests, read_digests(section.at("accept_digests")));
  return Policy(std::move(rules), std::move(digests), sandbox_required);
}

}  // namespace

Result<Policy> read_policy(const std::filesystem::path& file) {
  const auto root = config::read(file);
  if (root) return from_root(*root);
  if (root.error().code != ErrorCode::kNotFound) return fail(root.error());
  return fail(ErrorCode::kNotFound,
              root.error().message +
                  "; without a policy this site takes part in no job: create it (configs/policy.yaml is a "
                  "commented example)");
}

Result<Policy> parse_policy(std::string_view text, std::string_view source) {
  CONSILIUM_ASSIGN(const Value root, config::parse(text, source, {}));
  return from_root(root);
}

}  // namespace consilium::policy
