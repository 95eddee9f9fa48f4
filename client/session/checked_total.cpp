#include "client/session/checked_total.h"

#include <spdlog/fmt/fmt.h>

#include <span>
#include <utility>

#include "common/aggregation/strategy.h"
#include "common/aggregation/weighting.h"
#include "common/encoding/fixed_point.h"
#include "common/job/cohort_draw.h"
#include "common/job/cohort_rules.h"
#include "common/job/round_order.h"
#include "common/model/model_parameters.h"
#include "common/secagg/sum_keys.h"
#include "common/secagg/tag.h"

namespace consilium::session {
namespace {

tl::unexpected<Error> untrue(std::string why) { return fail(ErrorCode::kDataLoss, std::move(why)); }

Result<void> check_words(const wire::GroupTotal& total, const job::JobSpec& job, const crypto::SecretBytes& key,
                         std::span<const std::uint32_t> words) {
  const auto [kind, round] = std::pair(total.key.kind, total.key.round);
  CONSILIUM_ASSIGN(const crypto::SecretBytes r, secagg::tag_key(key, kind, round));
  CONSILIUM_ASSIGN(const secagg::FieldElement value, secagg::accumulate_tag(r, words));
  const auto groups = job::count_groups(job);
  std::vector<secagg::GroupTag> tags;
  for (const wire::IncludedSum& included : total.sums) {
    CONSILIUM_ASSIGN(crypto::SecretBytes offset, secagg::tag_offset(key, kind, round, included.group, included.cohort));
    tags.push_back({groups.at(included.group).size(), std::move(offset), included.tag});
  }
  if (!secagg::check_tag(value, tags))
    return untrue("the total isn't the sum of what the sites sent: its tag doesn't match");  // check: total-tag
  return {};
}

/// Computes the next model. It lies in the total's memory. If layers are frozen, it is longer than the total and lies
/// in `whole`.
Result<std::span<const float>> next_model(const job::JobSpec& job, aggregation::StreamingSum& total,
                                          const LastModel& last_model, ParameterVector& whole,
                                          aggregation::ServerState& state) {
  CONSILIUM_ASSIGN(const std::vector<std::uint64_t> examples, total.counts(encoding::kExamples));
  aggregation::WeightingFacts facts;
  facts.contributors = 1;  // a total has at least one contributor
  facts.normaliser = job::weight_normaliser(job);
  facts.contributed_examples = examples[0];
  CONSILIUM_ASSIGN(const double divisor, aggregation::mean_divisor(job.strategy.weighting, facts));
  CONSILIUM_ASSIGN(const std::span<float> delta, total.decode_parameters(divisor));
  CONSILIUM_ASSIGN(const ParameterManifest manifest, model::build_manifest(job.model));
  CONSILIUM_ASSIGN(const std::span<const float> last, last_model(manifest.parameter_count()));
  std::span<float> next = delta;
  if (manifest.update_size() != manifest.parameter_count()) {
    whole.resize(manifest.parameter_count());
    next = whole;
  }
  CONSILIUM_TRY(
      aggregation::apply_update(*aggregation::make_strategy(job.strategy), manifest, delta, last, next, state));
  return std::span<const float>(next);
}

}  // namespace

Result<void> check_included(const wire::GroupTotal& total, const job::JobSpec& job, std::uint32_t own_group,
                            std::span<const std::uint32_t> counted, const SentUnder& sent) {
  std::vector<std::uint32_t> groups;
  for (const wire::IncludedSum& included : total.sums) groups.push_back(included.group);
  CONSILIUM_TRY(
      job::check_groups_summed(job, total.key.kind, total.key.round, counted, groups));  // check: total-groups
  for (const wire::IncludedSum& included : total.sums) {
    if (included.group != own_group) continue;
    CONSILIUM_ASSIGN(const bool released, sent(included.cohort));
    if (!released) {
      const char* why = "the total counts this site's group under an attempt in which this site sent nothing";
      return untrue(why);  // check: total-cohort
    }
  }
  return {};
}

Result<aggregation::StreamingSum> room_for_total(const wire::GroupTotal& total, const job::JobSpec& job) {
  CONSILIUM_ASSIGN(encoding::VectorLayout layout, job::expected_layout(job, total.key));
  if (total.words != layout.word_count())
    return untrue(fmt::format("found a total of {} words, expected {}", total.words, layout.word_count()));
  return aggregation::StreamingSum::create(std::move(layout));
}

Result<CheckedTotal> check_total(const wire::GroupTotal& total, aggregation::StreamingSum words,
                                 const job::JobSpec& job, const crypto::Digest& digest, const crypto::SecretBytes& key,
                                 const LastModel& last_model) {
  CONSILIUM_ASSIGN(const std::vector<std::uint64_t> unusable, words.counts(encoding::kUnusable));
  if (unusable[0] > 0) {
    return fail(ErrorCode::kFailedPrecondition,
                "a site's result was unusable, or the coordinator says so");  // check: total-unusable
  }
  CONSILIUM_TRY(check_words(total, job, key, words.words()));
  CheckedTotal checked{{digest, total.key.kind, total.key.round, {}, total.total, {}}, {}, std::move(words), {}};
  for (const wire::IncludedSum& included : total.sums)
    checked.statement.groups.push_back({included.group, included.cohort});
  aggregation::ServerState state;
  if (total.key.kind == job::SumKind::kTrain) {
    CONSILIUM_ASSIGN(checked.model, next_model(job, checked.memory, last_model, checked.whole, state));
    checked.statement.model = crypto::sha256(std::as_bytes(checked.model));
  }
  checked.statement.state = aggregation::state_digest(state);
  return checked;
}

Result<std::vector<std::byte>> sign_commit(const secagg::CommitStatement& statement, std::string site,
                                           std::string certificate, const pki::Signer& signer) {
  secagg::CommitSignature own{std::move(site), std::move(certificate), {}};
  CONSILIUM_ASSIGN(own.signature, signer.sign(secagg::commit_bytes(statement)));
  return secagg::encode(secagg::SignedCommit{statement, {std::move(own)}});
}

}  // namespace consilium::session
