// The driver's functions for mode masked: sums over whole groups, which sites check and sign.
#include <spdlog/fmt/fmt.h>

#include <utility>

#include "common/aggregation/strategy.h"
#include "common/logging/event.h"
#include "coordinator/round/job_driver.h"

namespace consilium::round {
namespace {

/// The deadline of an attempt with simulated sites. These never go silent unannounced, however long their tasks wait
/// for a worker.
constexpr Clock::duration kUnlimited = Clock::duration::max() / 4;

}  // namespace

bool JobDriver::ready(const std::string& site) const {
  const auto found = state_.sites.find(site);
  return found != state_.sites.end() && found->second.ready();
}

std::optional<Readiness> JobDriver::readiness() const {
  if (runs_ && runs_->working()) return std::nullopt;
  return readiness_of(state_);
}

void JobDriver::deliver(GroupRuns::Output output) {
  for (const std::string& note : output.notes) logging::event(logging::Event::kMaskingFailed, {.job = job_id_}, note);
  for (auto& [site, message] : output.messages) {
    if (const auto* masking = std::get_if<wire::Masking>(&message)) board_.add_bytes(masking->message.size());
    parts_.gateway.send(site, std::move(message));
  }
  for (Event& event : output.events) follow_up_.push_back(std::move(event));
}

Result<void> JobDriver::group_vector_received(const std::string& site, const job::SessionKey& key, WordSource& words,
                                              TimePoint now) {
  const std::uint64_t bytes = words.word_count() * sizeof(std::uint32_t);
  auto taken = runs_->take(site, key, words, now);
  if (!taken) return fail(std::move(taken).error());
  board_.add_bytes(bytes);
  deliver(*std::move(taken));
  go_on(now);
  return {};
}

void JobDriver::key_agreement_received(const std::string& site, const wire::KeyAgreement& step, TimePoint now) {
  if (!runs_) return;
  board_.add_bytes(step.message.size());
  deliver(runs_->receive(site, step, now));
  go_on(now);
}

void JobDriver::endorsement_received(const std::string& site, const wire::Endorsement& endorsement, TimePoint now) {
  if (!runs_) return;
  deliver(runs_->receive(site, endorsement));
  if (!runs_->offered_total()) release_total();
  go_on(now);
}

void JobDriver::open_groups(const OpenSession& action, TimePoint now) {
  const std::uint64_t model_bytes = action.key.kind == job::SumKind::kCensus ? 0 : model_.bytes();
  board_.opened(action, model_.digest(), model_bytes, now);
  const Clock::duration deadline = parts_.simulated ? kUnlimited : state_.rules.deadline;
  deliver(runs_->open(action, model_.digest(), model_bytes, deadline, now));
}

Result<void> JobDriver::close_groups(const CloseSum& action, TimePoint now) {
  CONSILIUM_ASSIGN(aggregation::StreamingSum* const sum, runs_->total());
  CONSILIUM_ASSIGN(const std::vector<std::uint64_t> unusable, sum->counts(encoding::kUnusable));
  if (unusable[0] > 0) {
    follow_up_.push_back(Fault{fmt::format(
        "{}: a site's result was unusable: it wasn't finite, the clip cut it, its changes had few sizes, or its data "
        "don't fit the job or have changed. Look for a learning rate that is too high or a data set with wrong values, "
        "and ask the hospitals: each hospital's own log says whether the result was its own",
        job::to_string(action.key))});
    return {};
  }
  crypto::Digest total{};
  const std::uint64_t words = sum->layout().word_count();
  if (runs_->masked() && action.key.kind != job::SumKind::kEvaluate) {
    CONSILIUM_ASSIGN(total, parts_.blobs.put(std::as_bytes(sum->words())));
    parts_.blobs.retain(total);
    release_total();
    total_ = total;
    if (action.key.kind == job::SumKind::kCensus && spec_.training.loss.balanced) {
      parts_.blobs.retain(total);
      release_counted();
      counted_ = total;
    }
  }
  CONSILIUM_ASSIGN(const Committed committed, close(action, *sum, now));
  // The result of a census is its counts, so their digest takes the place of the model's.
  const crypto::Digest& model = action.key.kind == job::SumKind::kTrain ? committed.model : total;
  deliver(runs_->announce(committed, total, words, model, model_.state_digest(),
                          [this](const std::string& site) { return ready(site); }));
  return {};
}

void JobDriver::release_total() {
  if (const auto done = std::exchange(total_, std::nullopt)) parts_.blobs.release(*done);
}

void JobDriver::release_counted() {
  if (const auto done = std::exchange(counted_, std::nullopt)) parts_.blobs.release(*done);
}

bool JobDriver::offers(const crypto::Digest& blob) const {
  return board_.status().model == blob || total_ == blob || counted_ == blob;
}

}  // namespace consilium::round
