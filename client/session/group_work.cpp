#include "client/session/group_work.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <utility>
#include <vector>

#include "client/session/contribution.h"
#include "client/session/total_check.h"
#include "common/aggregation/streaming_sum.h"
#include "common/encoding/byte_writer.h"
#include "common/job/cohort_rules.h"
#include "common/job/labelled_digest.h"
#include "common/logging/event.h"

namespace consilium::session {
namespace {

std::string describe(const masking::JobData& data) {
  return fmt::format("{} training, {} validation and {} test examples", data.train, data.val, data.test);
}

std::string above_bound(std::uint64_t examples, const job::PopulationTerms& population) {
  return fmt::format(
      "this site had {} training examples when the job began, and the bound of '{}' is {}: ask the consortium's "
      "certificate authority for a roster with a higher bound",
      examples, population.name, population.examples);
}

}  // namespace

masking::JobData GroupWork::data_now(const AcceptedJob& job) const {
  const trainer::Prepared& counted = parts_.trainer.prepared();
  encoding::ByteWriter writer;
  writer.prefixed<std::uint64_t>(std::string_view(job.spec.data.dataset));
  for (const std::uint64_t count : {counted.train_examples, counted.val_examples, counted.test_examples})
    writer.integer(count);
  for (const std::uint64_t count : counted.class_examples) writer.integer(count);
  return {counted.train_examples, counted.val_examples, counted.test_examples,
          job::labelled_digest("consilium/v1/job-data", writer.take())};
}

Result<void> GroupWork::check_labels(const ActiveSession& session, const AcceptedJob& job,
                                     const std::stop_token& stop) {
  const job::RoundOrder& order = session.order;
  if (order.labels.empty()) return {};
  if (!counted_ || counted_->job != order.job) {
    const job::SessionKey census{session.key.job_id, job::SumKind::kCensus, 0, 1};
    CONSILIUM_ASSIGN(const auto total, parts_.groups.ledger().committed_model({order.job, census.kind, census.round}));
    if (!total) return fail(ErrorCode::kFailedPrecondition, "this site knows of no committed census of the job");
    CONSILIUM_ASSIGN(encoding::VectorLayout layout, job::expected_layout(job.spec, census));
    CONSILIUM_ASSIGN(aggregation::StreamingSum sum, aggregation::StreamingSum::create(std::move(layout)));
    const std::span<std::byte> words = std::as_writable_bytes(sum.masked_words());
    const std::filesystem::path file = parts_.models.file_of(*total);
    parts_.models.make_room(file);
    CONSILIUM_TRY(parts_.link.fetch(*total, words.size(), file, stop));
    CONSILIUM_TRY(parts_.models.load(*total, words));
    CONSILIUM_ASSIGN(const std::vector<std::uint64_t> examples, sum.counts(encoding::kExamples));
    CONSILIUM_ASSIGN(std::vector<std::uint64_t> classes, sum.counts(encoding::kClassExamples));
    counted_ = Counted{order.job, {examples[0], std::move(classes)}};
  }
  if (order.labels == counted_->labels) return {};
  return fail(ErrorCode::kPermissionDenied,
              "the order's label counts aren't those of the job's committed census");  // check: order-labels
}

Result<SiteEvent> GroupWork::work(const ActiveSession& session, const AcceptedJob& job, std::stop_token stop) {
  masking::GroupVectors& vectors = parts_.groups.vectors();
  const job::RoundOrder& order = session.order;
  CONSILIUM_ASSIGN(const bool there, vectors.has(order));
  if (there) return SiteEvent(Worked{session.key, true});
  CONSILIUM_TRY(check_labels(session, job, stop));
  const auto prepared = parts_.trainer.prepare(job, stop, order.labels);
  if (!prepared && prepared.error().code == ErrorCode::kInvalidArgument) {
    // Data that don't fit the job count as an unusable result. A failure would identify the site that has, say, a label
    // beyond the job's classes.
    CONSILIUM_TRY(seal_unusable(session.key, order, prepared.error()));
    return SiteEvent(Worked{session.key, true});
  }
  CONSILIUM_TRY(prepared);
  CONSILIUM_ASSIGN(const masking::JobData data, parts_.groups.ledger().fix_data(order.job, data_now(job)));
  if (data.train > job.spec.population->examples) {
    return SiteEvent(AboveBound{session.key, above_bound(data.train, *job.spec.population)});  // check: group-bound
  }
  auto sealed = seal(session, job, data, stop);
  if (!sealed && sealed.error().code == ErrorCode::kInvalidArgument)
    sealed = seal_unusable(session.key, order, sealed.error());
  CONSILIUM_TRY(sealed);
  return SiteEvent(Worked{session.key, true});
}

Result<void> GroupWork::seal_unusable(const job::SessionKey& session, const job::RoundOrder& order, const Error& why) {
  logging::event(
      logging::Event::kResultUnusable, {.job = session.job_id, .round = order.round},
      fmt::format("{}: this site's result can't be used, so the job ends: {}", job::to_string(session), why.message));
  CONSILIUM_ASSIGN(const crypto::SecretBytes key, parts_.groups.secret().unusable_key(order));
  CONSILIUM_ASSIGN(std::vector<std::uint32_t> words, unusable_contribution(order, key));
  CONSILIUM_TRY(parts_.groups.ledger().note_unusable(masking::sum_of(order)));
  return parts_.groups.vectors().seal(order, [&](const masking::WordSink& sink) { return sink(words); });
}

Result<void> GroupWork::seal(const ActiveSession& session, const AcceptedJob& job, const masking::JobData& data,
                             std::stop_token stop) {
  const job::RoundOrder& order = session.order;
  SiteTrainer& trainer = parts_.trainer;
  std::vector<std::uint32_t> words;
  switch (order.kind) {
    case job::SumKind::kCensus: {
      CONSILIUM_ASSIGN(words, census_contribution(order, trainer.prepared()));
      break;
    }
    case job::SumKind::kTrain: {
      CONSILIUM_ASSIGN(const std::uint64_t seed, parts_.groups.secret().training_seed(order, job.spec.data.dataset));
      CONSILIUM_TRY(trainer.train(session, job, seed, stop));
      break;
    }
    case job::SumKind::kEvaluate: {
      CONSILIUM_ASSIGN(const std::vector<std::uint64_t> counts, trainer.evaluate(session, job, stop));
      CONSILIUM_ASSIGN(const auto task, job::task_of(job.spec));
      CONSILIUM_ASSIGN(words, evaluate_contribution(order, *task, counts));
      break;
    }
  }
  // Checked after the work, because a trainer that died during it was restarted and has read the files again.
  const masking::JobData now = data_now(job);
  if (now != data) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the data set '{}' has changed since the job began: it had {}, and now has {}; a new job "
                            "uses it as it is now",
                            job.spec.data.dataset, describe(data), describe(now)));  // check: data-fixed
  }
  // Checked after the work, so that a site with an unusable result takes as long as any other site in later sums.
  CONSILIUM_TRY(parts_.groups.ledger().check_usable(masking::sum_of(order)));  // check: unusable-stays
  return parts_.groups.vectors().seal(order, [&](const masking::WordSink& sink) -> Result<void> {
    if (order.kind != job::SumKind::kTrain) return sink(words);
    const SiteTrainer::Update& update = *trainer.update();
    return stream_train_contribution(order, update.manifest, data.train, update.result, trainer.delta(), sink,
                                     parts_.threads);
  });
}

Result<SiteEvent> GroupWork::upload(const Upload& upload, masking::GroupMasks masks, std::stop_token stop) {
  const ActiveSession& session = upload.session;
  const job::JobSpec& spec = upload.job.spec;
  masking::Release release;
  release.population = spec.population->name;
  release.job_id = session.key.job_id;
  release.researcher = upload.job.researcher;
  release.group = job::count_groups(spec).at(session.order.group);
  release.at = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  masking::GroupVectors& vectors = parts_.groups.vectors();
  const auto vector = vectors.mask(session.order, std::move(masks), std::move(release), parts_.threads);
  const auto sent = vector ? parts_.link.upload(session.key, vector->words(), stop, vector->digest())
                           : Result<void>(fail(vector.error()));
  vectors.forget_masked(session.order);  // another attempt has its own masks
  CONSILIUM_TRY(sent);
  return SiteEvent(Uploaded{session.key});
}

SiteEvent GroupWork::check_total(const CheckTotal& effect, const std::stop_token& stop) {
  TotalCheck check({parts_.groups.trust(), parts_.groups.ledger(), parts_.groups.keys(), parts_.models,
                    [&](const crypto::Digest& digest, std::uint64_t bytes, const std::filesystem::path& file) {
                      return parts_.link.fetch(digest, bytes, file, stop);
                    },
                    [&](const crypto::Digest& digest) { return parts_.trainer.global(digest); },
                    [&](const crypto::Digest& digest, std::span<const float> model) {
                      return parts_.trainer.remember(digest, model);
                    }});
  auto signed_commit = check.endorse(effect.total, effect.job.spec, effect.job.digest);
  if (!signed_commit) return TotalRefused{effect.total.key, effect.job.digest, signed_commit.error()};
  return Endorsed{effect.total.key, *std::move(signed_commit)};
}

}  // namespace consilium::session
