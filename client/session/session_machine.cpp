#include "client/session/session_machine.h"

#include <algorithm>
#include <utility>

#include "client/session/offered_session.h"
#include "client/session/told_failure.h"
#include "common/job/job_text.h"

namespace consilium::session {
namespace {

Note note_on(logging::Event event, const job::SessionKey& key, std::string text) {
  return {event, std::move(text), key.job_id, key.round};
}

/// Applies one event to a state; each handler appends the effects that follow.
class Machine {
 public:
  Machine(SiteState state, const SiteContext& context) : state_(std::move(state)), context_(context) {}

  Transition take() { return {std::move(state_), std::move(effects_)}; }

  void on(const Connected& event) {
    state_.coordinator = event.coordinator;
    emit(Send{wire::SiteHello{context_.software, context_.datasets}});
  }

  /// Examines every offer again: a waiting one may have been approved, and an accepted one may have to be declined now.
  void on(const Reconsider&) {
    const auto offers = state_.offers;
    for (const auto& [job_id, offer] : offers) receive(offer);
  }

  void on(const Disconnected&) {
    // The coordinator counts a disconnected site as failed, and repeats every offer after a reconnection.
    if (state_.active) emit(Abandon{state_.active->key, "connection lost"});
    if (state_.active && state_.active->masked) emit(EndMasking{state_.active->key});
    for (const ActiveSession& session : state_.waiting) {
      if (session.masked) emit(EndMasking{session.key});
    }
    // The coordinator may still ask about vectors that were sent. It may also have continued without this site, so sums
    // that this site has confirmed no longer block new ones. The ledger still prevents the site from signing another
    // list for the same sum.
    std::map<job::SessionKey, Confirming> confirming;
    for (const auto& [key, one] : state_.confirming) confirming.emplace(key, Confirming{});
    state_ = SiteState{};
    state_.confirming = std::move(confirming);
  }

  void on(const Received& event) {
    std::visit([this](const auto& message) { receive(message); }, event.message);
  }

  void on(const Fetched& event) {
    if (is_active(event.key, Step::kFetching)) begin_work();
  }

  void on(const Worked& event) {
    if (!is_active(event.key, Step::kWorking)) return;
    if (!event.has_vector) {
      emit(Send{wire::SessionPartial{event.key}});
      if (state_.active->masked) emit(EndMasking{event.key});
      finish();
      return;
    }
    if (state_.active->masked && !state_.active->keyed) {
      state_.active->step = Step::kAwaitingMasks;
    } else {
      begin_upload();
    }
  }

  void on(const Uploaded& event) {
    if (!is_active(event.key, Step::kUploading)) return;
    const bool confirms = state_.active->masked && !state_.active->whole_group;
    if (confirms && !state_.active->revealed) state_.confirming.emplace(event.key, Confirming{});
    if (state_.active->whole_group) emit(EndMasking{event.key});
    finish();
  }

  void on(const Keyed& event) {
    if (state_.active && state_.active->key == event.key) state_.active->keyed = true;
    for (ActiveSession& session : state_.waiting) {
      if (session.key == event.key) session.keyed = true;
    }
    if (is_active(event.key, Step::kAwaitingMasks)) begin_upload();
  }

  /// The list of survivors may arrive before the vector's receipt.
  void on(const Confirmed& event) { state_.confirming[event.key].confirmed = true; }
  void on(const Revealed& event) {
    state_.confirming.erase(event.key);
    if (state_.active && state_.active->key == event.key) state_.active->revealed = true;
  }

  void on(const MaskingRefused& event) {
    const std::string what = job::to_string(event.key) + ": " + event.error.message;
    if (!takes_part_in(event.key)) {
      emit(note_on(logging::Event::kMessageIgnored, event.key, "ignored a masking message: " + what));
      return;
    }
    emit(note_on(logging::Event::kSessionLeft, event.key, "left the masked session: " + what));
    emit(Send{wire::SessionFailed{event.key, event.error.code, {}}});
    leave(event.key, "masking refused");
  }

  void on(const Endorsed& event) { emit(Send{wire::Endorsement{event.key, event.commit}}); }

  void on(const TotalRefused& event) {
    const std::string what = job::to_string(event.key) + ": " + event.error.message;
    if (event.error.code == ErrorCode::kUnavailable || event.error.code == ErrorCode::kCancelled) {
      emit(note_on(logging::Event::kMessageIgnored, event.key, "a total or a commit wasn't taken: " + what));
      return;
    }
    emit(note_on(logging::Event::kJobLeft, event.key, "this site takes no further part in the job: " + what));
    emit(Send{wire::SessionFailed{event.key, event.error.code, {}}});
    emit(LeaveJob{event.job, event.error.message});
  }

  /// The coordinator learns that the bound is exceeded, but not by how much.
  void on(const AboveBound& event) {
    if (!is_active(event.key, Step::kWorking)) return;
    decline(event.key.job_id, "examples", ": " + event.message);
    end_job(event.key.job_id, "this site declined it");
  }

  void on(const StepFailed& event) {
    if (!state_.active || state_.active->key != event.key) return;
    ActiveSession& session = *state_.active;
    if (session.revealed || state_.confirming.contains(event.key)) {
      // The survivors are listed and include this site: only the receipt was lost, not the vector.
      emit(note_on(logging::Event::kReceiptLost, event.key,
                   job::to_string(event.key) + ": vector accepted; receipt lost: " + event.error.message));
      finish();
      return;
    }
    if (session.step == Step::kWorking && event.error.code == ErrorCode::kUnavailable && !session.retried) {
      session.retried = true;
      emit(note_on(logging::Event::kSessionRetried, event.key,
                   job::to_string(event.key) + ": " + event.error.message + "; trying once more"));
      begin_work();
      return;
    }
    emit(note_on(logging::Event::kSessionFailed, event.key, words_for_log(session, event.error)));
    emit(Send{what_is_told(session, event.error)});
    if (session.masked) emit(EndMasking{event.key});
    finish();
  }

 private:
  void emit(SiteEffect effect) { effects_.push_back(std::move(effect)); }

  [[nodiscard]] bool is_active(const job::SessionKey& key, Step step) const {
    return state_.active && state_.active->key == key && state_.active->step == step;
  }

  [[nodiscard]] bool is_masked(const std::string& job_id) const {
    const auto found = state_.jobs.find(job_id);
    return found != state_.jobs.end() && job::is_masked(found->second.spec);
  }

  [[nodiscard]] bool takes_part_in(const job::SessionKey& key) const {
    return (state_.active && state_.active->key == key) || state_.confirming.contains(key) ||
           std::ranges::find(state_.waiting, key, &ActiveSession::key) != state_.waiting.end();
  }

  /// Returns the key of a sum of this job that this site has confirmed and that isn't unmasked yet, or nullptr. Nothing
  /// new begins until it is unmasked.
  [[nodiscard]] const job::SessionKey* confirmed_and_open(const std::string& job_id) const {
    for (const auto& [key, one] : state_.confirming) {
      if (key.job_id == job_id && one.confirmed) return &key;
    }
    return nullptr;
  }

  /// Removes a session, whatever its state.
  void leave(const job::SessionKey& key, const std::string& reason) {
    std::erase_if(state_.waiting, [&](const ActiveSession& session) { return session.key == key; });
    const bool masked = state_.confirming.erase(key) > 0 || is_masked(key.job_id);
    if (masked) emit(EndMasking{key});
    if (!state_.active || state_.active->key != key) return;
    emit(Abandon{key, reason});
    finish();
  }

  void begin_upload() {
    state_.active->step = Step::kUploading;
    emit(Send{wire::SessionProgress{state_.active->key, wire::SitePhase::kUploading}});
    emit(Upload{*state_.active, state_.jobs.at(state_.active->key.job_id)});
  }

  void receive(const wire::JobOffer& offer) {
    const auto known = state_.jobs.find(offer.job_id);
    if (known != state_.jobs.end() && known->second.digest != job::digest_of_text(offer.spec)) {
      return decline(offer.job_id, "job_id",
                     ": the coordinator offers another job under an id that is taken");  // check: job-swap
    }
    if (!state_.offers.contains(offer.job_id) && state_.offers.size() >= kMaxJobs) {
      decline(offer.job_id, "busy", ": this site takes part in " + std::to_string(kMaxJobs) + " jobs already");
      return;
    }
    approval::Verdict verdict = context_.gate->examine(
        offer, state_.coordinator,
        {context_.policy, context_.roster, context_.datasets, context_.atlases, context_.site, context_.key});
    if (verdict.consent == wire::JobConsent::kWaits && known != state_.jobs.end()) {
      // The policy no longer accepts a running job. Its researcher has to submit it again, so that a person can decide.
      verdict.consent = wire::JobConsent::kDeclined;
      verdict.reason = "researchers";
    }
    if (verdict.consent == wire::JobConsent::kDeclined) {
      decline(offer.job_id, verdict.reason,
              of_researcher(verdict) + ", digest " + crypto::to_hex(verdict.digest) + ": " + verdict.log);
      end_job(offer.job_id, "this site declined it");
      return;
    }
    state_.offers.insert_or_assign(offer.job_id, offer);
    if (verdict.consent == wire::JobConsent::kAccepted) return accept(offer.job_id, std::move(verdict));
    emit(Note{logging::Event::kJobAwaitsApproval,
              "job " + offer.job_id + of_researcher(verdict) + " waits for approval: " + verdict.log, offer.job_id});
    emit(Send{wire::JobAnswer{offer.job_id, wire::JobConsent::kWaits, {}}});
  }

  static std::string of_researcher(const approval::Verdict& verdict) {
    return verdict.researcher.empty() ? "" : " of " + verdict.researcher;
  }

  /// Declines a job. The log gets the values; the coordinator gets only the keys.
  void decline(const std::string& job_id, const std::string& reason, const std::string& why) {
    emit(Note{logging::Event::kJobDeclined, "declined job " + job_id + why, job_id});
    emit(Send{wire::JobAnswer{job_id, wire::JobConsent::kDeclined, reason}});
  }

  void accept(const std::string& job_id, approval::Verdict verdict) {
    emit(Send{wire::JobAnswer{job_id, wire::JobConsent::kAccepted, {}}});
    if (state_.jobs.contains(job_id)) return;  // the session keeps the job that it was checked against
    emit(Note{logging::Event::kJobAccepted,
              "accepted job " + job_id + of_researcher(verdict) + " (" + verdict.log + "), digest " +
                  crypto::to_hex(verdict.digest) + privacy_remark(verdict.spec),
              job_id});
    const AcceptedJob job{std::move(verdict.spec), verdict.digest, verdict.researcher};
    state_.jobs.emplace(job_id, job);
    emit(Warm{job_id, job});
  }

  static std::string privacy_remark(const job::JobSpec& spec) {
    return spec.privacy.secure_aggregation == job::SecureAggregation::kOff
               ? "; secure aggregation is OFF: the coordinator sees this site's updates"
               : "";
  }

  void receive(const wire::SessionOffer& offer) {
    auto session = examine(offer);
    if (!session) {
      emit(note_on(logging::Event::kSessionRefused, offer.key,
                   "refused session " + job::to_string(offer.key) + ": " + session.error().message));
      emit(Send{wire::SessionFailed{offer.key, session.error().code,
                                    is_masked(offer.key.job_id) ? std::string() : session.error().message}});
      return;
    }
    if (takes_part_in(session->key)) return;  // repeated offer
    if (session->masked) emit(BeginMasking{*session, state_.jobs.at(session->key.job_id)});
    if (state_.active) {
      state_.waiting.push_back(std::move(*session));
      return;
    }
    begin(std::move(*session));
  }

  Result<ActiveSession> examine(const wire::SessionOffer& offer) const {
    const auto found = state_.jobs.find(offer.key.job_id);
    if (found == state_.jobs.end()) {
      return fail(ErrorCode::kFailedPrecondition, "this site hasn't accepted job '" + offer.key.job_id + "'");
    }
    if (state_.waiting.size() >= kMaxWaiting) {
      return fail(ErrorCode::kResourceExhausted, "too many sessions are waiting at this site");
    }
    const AcceptedJob& accepted = found->second;
    const bool masked = job::is_masked(accepted.spec);
    if (const job::SessionKey* open = masked ? confirmed_and_open(offer.key.job_id) : nullptr) {
      return fail(ErrorCode::kFailedPrecondition,
                  job::to_string(*open) + " is confirmed, and its masks are still on");  // check: confirmed-open
    }
    return check_offer(offer, accepted, context_.site);
  }

  void receive(const wire::Masking& masking) { emit(Mask{masking}); }

  /// Returns the accepted job in mode masked that a message is about. If there is none, logs that and returns nullptr.
  const AcceptedJob* grouped_job(const std::string& job_id, std::string_view what) {
    const auto found = state_.jobs.find(job_id);
    if (found != state_.jobs.end() && job::sums_whole_groups(found->second.spec)) return &found->second;
    emit(Note{logging::Event::kMessageIgnored,
              "ignored a " + std::string(what) + " of job " + job_id + ", which this site hasn't accepted", job_id});
    return nullptr;
  }

  void receive(const wire::KeyAgreement& step) {
    if (const AcceptedJob* job = grouped_job(step.job_id, "step of a key agreement")) emit(Agree{step, *job});
  }

  void receive(const wire::GroupTotal& total) {
    const bool checked = total.key.kind != job::SumKind::kEvaluate && total.key.attempt == 1;
    if (const AcceptedJob* job = checked ? grouped_job(total.key.job_id, "total") : nullptr)
      emit(CheckTotal{total, *job});
  }

  void receive(const wire::RoundCommitted& commit) {
    if (const AcceptedJob* job = grouped_job(commit.key.job_id, "commit")) emit(TakeCommit{commit, *job});
  }

  void receive(const wire::SessionClosed& closed) {
    if (takes_part_in(closed.key)) leave(closed.key, closed.reason);
  }

  void receive(const wire::JobEnded& ended) {
    if (const auto noted = context_.gate->ended(ended.job_id); !noted)
      emit(Note{logging::Event::kStateFailed, noted.error().message, ended.job_id});
    end_job(ended.job_id, ended.outcome);
  }

  void end_job(const std::string& job_id, const std::string& outcome) {
    state_.offers.erase(job_id);
    const auto found = state_.jobs.find(job_id);
    if (found == state_.jobs.end()) return;
    const bool masked = job::is_masked(found->second.spec);
    const crypto::Digest digest = found->second.digest;
    state_.jobs.erase(found);
    std::erase_if(state_.confirming, [&](const auto& entry) { return entry.first.job_id == job_id; });
    emit(ForgetJob{job_id, digest, masked});
    emit(Note{logging::Event::kJobEnded, "job " + job_id + " ended: " + outcome, job_id});
    std::erase_if(state_.waiting, [&](const ActiveSession& session) { return session.key.job_id == job_id; });
    if (state_.active && state_.active->key.job_id == job_id) {
      emit(Abandon{state_.active->key, "the job ended"});
      finish();
    }
  }

  void begin(ActiveSession session) {
    state_.active = std::move(session);
    if (state_.active->order.kind == job::SumKind::kCensus) {
      begin_work();
      return;
    }
    emit(Send{wire::SessionProgress{state_.active->key, wire::SitePhase::kFetching}});
    emit(Fetch{*state_.active});
  }

  void begin_work() {
    ActiveSession& session = *state_.active;
    session.step = Step::kWorking;
    if (session.order.kind != job::SumKind::kCensus) {
      const auto phase =
          session.order.kind == job::SumKind::kTrain ? wire::SitePhase::kTraining : wire::SitePhase::kEvaluating;
      emit(Send{wire::SessionProgress{session.key, phase}});
    }
    emit(Work{session, state_.jobs.at(session.key.job_id)});
  }

  void finish() {
    state_.active.reset();
    if (state_.waiting.empty()) return;
    ActiveSession next = std::move(state_.waiting.front());
    state_.waiting.pop_front();
    begin(std::move(next));
  }

  SiteState state_;
  const SiteContext& context_;
  std::vector<SiteEffect> effects_;
};

}  // namespace

Transition advance(SiteState state, const SiteEvent& event, const SiteContext& context) {
  Machine machine(std::move(state), context);
  std::visit([&machine](const auto& happened) { machine.on(happened); }, event);
  return machine.take();
}

}  // namespace consilium::session
