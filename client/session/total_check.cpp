#include "client/session/total_check.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <fstream>
#include <system_error>
#include <utility>

#include "client/masking/commits.h"
#include "common/aggregation/strategy.h"
#include "common/aggregation/streaming_sum.h"
#include "common/aggregation/weighting.h"
#include "common/encoding/byte_writer.h"
#include "common/encoding/fixed_point.h"
#include "common/job/cohort_rules.h"
#include "common/job/labelled_digest.h"
#include "common/model/model_parameters.h"
#include "common/pki/files.h"
#include "common/secagg/commit.h"
#include "common/secagg/sum_keys.h"
#include "common/secagg/tag.h"

namespace consilium::session {
namespace {

using Words = std::span<const std::uint32_t>;

tl::unexpected<Error> untrue(std::string why) { return fail(ErrorCode::kDataLoss, std::move(why)); }

/// What stands for a total and its tags in the ledger.
crypto::Digest total_digest(const wire::GroupTotal& total) {
  encoding::ByteWriter writer;
  writer.bytes(total.total);
  writer.integer(total.words);
  for (const wire::IncludedSum& sum : total.sums) {
    writer.integer(sum.group);
    writer.bytes(sum.cohort);
    writer.integer(sum.tag);
  }
  return job::labelled_digest("consilium/v1/total", writer.take());
}

Result<void> read_into(const std::filesystem::path& file, std::span<std::byte> bytes) {
  std::ifstream in(file, std::ios::binary);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (in && static_cast<std::size_t>(in.gcount()) == bytes.size()) return {};
  return fail(ErrorCode::kDataLoss,
              fmt::format("{}: expected {} bytes, found {}", file.string(), bytes.size(), in.gcount()));
}

/// Puts a model into the cache: whole under its own name, or not at all.
Result<void> keep_model(const std::filesystem::path& file, std::span<const std::byte> bytes) {
  const std::filesystem::path part = file.string() + ".new";
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();
  std::error_code problem;
  if (out) std::filesystem::rename(part, file, problem);
  if (out && !problem) return {};
  std::filesystem::remove(part, problem);
  return fail(ErrorCode::kResourceExhausted, fmt::format("{}: cannot be written; is the disk full?", file.string()));
}

}  // namespace

Result<void> TotalCheck::check_groups(const wire::GroupTotal& total, const job::JobSpec& job,
                                      const masking::SumId& sum) const {
  const auto groups = job::count_groups(job);
  const std::uint32_t own = job::count_group_of(job, parts_.trust.site);
  for (const wire::IncludedSum& included : total.sums) {
    if (included.group >= groups.size()) return untrue(fmt::format("the job has no group {}", included.group));
    if (included.group != own) continue;
    CONSILIUM_ASSIGN(const bool released, parts_.ledger.released_under(sum, included.cohort));
    if (!released) {
      const char* why = "the total counts this site's group under an attempt in which this site sent nothing";
      return untrue(why);  // check: total-cohort
    }
  }
  // Rounds are of the groups that the census counted. Of those that take part in the census no more is known here than
  // that they are more than half of the job's (secagg::check_agreement_adverts).
  std::size_t of = groups.size() / 2 + 1;
  if (sum.kind == job::SumKind::kTrain) {
    CONSILIUM_ASSIGN(const auto counted, parts_.ledger.committed_groups({sum.job, job::SumKind::kCensus, 0}));
    if (!counted) return fail(ErrorCode::kPermissionDenied, "the census isn't committed");
    of = job::cohort_size(job.federation.fraction, *counted);
  }
  const std::size_t needed = job::answers_needed(job.federation.quorum, of);
  if (total.sums.size() < needed) {
    return untrue(fmt::format("the total is over {} groups, the job's quorum asks for {}", total.sums.size(),
                              needed));  // check: total-quorum
  }
  return {};
}

Result<void> TotalCheck::check_words(const wire::GroupTotal& total, const job::JobSpec& job, const masking::SumId& sum,
                                     Words words) const {
  CONSILIUM_ASSIGN(const crypto::SecretBytes key, parts_.keys.key(sum.job));
  CONSILIUM_ASSIGN(const crypto::SecretBytes r, secagg::tag_key(key, sum.kind, sum.round));
  CONSILIUM_ASSIGN(const secagg::FieldElement value, secagg::accumulate_tag(r, words));
  const auto groups = job::count_groups(job);
  std::vector<secagg::GroupTag> tags;
  for (const wire::IncludedSum& included : total.sums) {
    CONSILIUM_ASSIGN(crypto::SecretBytes offset,
                     secagg::tag_offset(key, sum.kind, sum.round, included.group, included.cohort));
    tags.push_back({groups[included.group].size(), std::move(offset), included.tag});
  }
  if (!secagg::check_tag(value, tags)) {
    return untrue("the total isn't the sum of what the sites sent: its tag doesn't fit");  // check: total-tag
  }
  return {};
}

Result<ParameterVector> TotalCheck::last_model(const job::JobSpec& job, const masking::SumId& sum,
                                               std::size_t parameters) const {
  crypto::Digest last{};
  if (sum.round == 1) {
    CONSILIUM_ASSIGN(last, masking::initial_model(job));
  } else {
    CONSILIUM_ASSIGN(const auto committed,
                     parts_.ledger.committed_model({sum.job, job::SumKind::kTrain, sum.round - 1}));
    if (!committed) return fail(ErrorCode::kPermissionDenied, "the round before isn't committed");
    last = *committed;
  }
  const std::filesystem::path file = parts_.models / crypto::to_hex(last);
  ParameterVector model(parameters);
  CONSILIUM_TRY(parts_.fetch(last, parameters * sizeof(float), file));
  CONSILIUM_TRY(read_into(file, std::as_writable_bytes(std::span(model))));
  return model;
}

Result<crypto::Digest> TotalCheck::next_model(const job::JobSpec& job, const masking::SumId& sum,
                                              aggregation::StreamingSum& total, aggregation::ServerState& state) const {
  CONSILIUM_ASSIGN(const std::vector<std::uint64_t> examples, total.counts(encoding::kExamples));
  aggregation::WeightingFacts facts;
  facts.contributors = 1;  // of a total at least one
  facts.normaliser = job::weight_normaliser(job);
  facts.contributed_examples = examples[0];
  CONSILIUM_ASSIGN(const double divisor, aggregation::mean_divisor(job.strategy.weighting, facts));
  CONSILIUM_ASSIGN(const std::span<const float> delta, total.decode_parameters(divisor));
  CONSILIUM_ASSIGN(ParameterVector model, last_model(job, sum, delta.size()));
  CONSILIUM_TRY(aggregation::make_strategy(job.strategy)->apply(delta, model, state));
  const auto bytes = std::as_bytes(std::span(model));
  const crypto::Digest digest = crypto::sha256(bytes);
  CONSILIUM_TRY(keep_model(parts_.models / crypto::to_hex(digest), bytes));
  return digest;
}

Result<std::vector<std::byte>> TotalCheck::endorse(const wire::GroupTotal& total, const job::JobSpec& job,
                                                   const crypto::Digest& digest) {
  const masking::SumId sum{digest, total.key.kind, total.key.round};
  CONSILIUM_ASSIGN(const auto ended, parts_.ledger.ended_before(sum));
  if (ended) {
    return fail(ErrorCode::kPermissionDenied,
                "this site signs nothing more in the job: " + *ended);  // check: total-ended
  }
  CONSILIUM_ASSIGN(const job::RoundOrder order, job::expected_order(job, total.key, 0, {}, 0));
  if (total.words != order.layout.word_count())
    return untrue(fmt::format("a total of {} words, expected {}", total.words, order.layout.word_count()));
  CONSILIUM_TRY(check_groups(total, job, sum));
  CONSILIUM_TRY(parts_.ledger.try_total(sum, total_digest(total)));  // check: total-once
  const std::filesystem::path file = parts_.models / (crypto::to_hex(total.total) + ".total");
  const std::uint64_t bytes = total.words * sizeof(std::uint32_t);
  CONSILIUM_TRY(parts_.fetch(total.total, bytes, file));
  CONSILIUM_ASSIGN(aggregation::StreamingSum words, aggregation::StreamingSum::create(order.layout));
  const auto read = read_into(file, std::as_writable_bytes(words.masked_words()));
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  CONSILIUM_TRY(read);
  CONSILIUM_ASSIGN(const std::vector<std::uint64_t> unusable, words.counts(encoding::kUnusable));
  if (unusable[0] > 0) {
    return fail(ErrorCode::kFailedPrecondition,
                "a site's result was unusable, or the coordinator says so");  // check: total-unusable
  }
  CONSILIUM_TRY(check_words(total, job, sum, words.words()));
  secagg::CommitStatement statement{digest, sum.kind, sum.round, {}, total.total, {}};
  for (const wire::IncludedSum& included : total.sums) statement.groups.push_back({included.group, included.cohort});
  aggregation::ServerState state;
  if (sum.kind == job::SumKind::kTrain) {
    CONSILIUM_ASSIGN(statement.model, next_model(job, sum, words, state));
  }
  statement.state = aggregation::state_digest(state);
  const std::vector<std::byte> signed_bytes = secagg::commit_bytes(statement);
  CONSILIUM_TRY(parts_.ledger.endorse(sum, crypto::sha256(signed_bytes)));  // check: endorse-once
  CONSILIUM_ASSIGN(const auto signer, pki::make_file_signer(parts_.trust.key));
  secagg::CommitSignature own{parts_.trust.site, {}, {}};
  CONSILIUM_ASSIGN(own.certificate, pki::read_file(parts_.trust.certificate, secagg::kMaxCertificateBytes));
  CONSILIUM_ASSIGN(own.signature, signer->sign(signed_bytes));
  return secagg::encode(secagg::SignedCommit{std::move(statement), {std::move(own)}});
}

}  // namespace consilium::session
