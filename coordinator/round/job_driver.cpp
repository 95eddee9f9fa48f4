#include "coordinator/round/job_driver.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <deque>
#include <utility>

#include "common/job/cohort_rules.h"
#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "coordinator/round/effect_json.h"
#include "coordinator/round/global_model.h"
#include "coordinator/round/session_sum.h"
#include "coordinator/round/status_board.h"

namespace consilium::round {

namespace {

/// How long the sites of a session may take to advertise their keys, and again to share them.
constexpr Clock::duration kKeyAgreementLimit = std::chrono::seconds(60);

}  // namespace

class JobDriver::Impl {
 public:
  Impl(std::string job_id, std::string researcher, const job::JobSpec& spec, ParameterManifest manifest,
       const crypto::Digest& initial_model, Parts parts)
      : job_id_(std::move(job_id)),
        researcher_(std::move(researcher)),
        spec_(spec),
        spec_text_(job::canonical_text(spec)),
        parts_(std::move(parts)),
        state_(initial_state(rules_of(job_id_, spec))),
        board_(job_id_, spec, initial_model),
        model_(spec, std::move(manifest), initial_model, parts_.blobs) {}

  /// Applies an event and whatever follows from it. Returns why the event itself was refused, if it was.
  std::optional<Error> handle(Event event, TimePoint now) {
    const std::uint64_t effects_before = state_.last_effect;
    std::optional<Error> refused = apply(event, now);
    if (refused) return refused;
    if (std::holds_alternative<Tick>(event) && state_.last_effect == effects_before) return {};
    while (!follow_up_.empty()) {
      const Event next = std::move(follow_up_.front());
      follow_up_.pop_front();
      apply(next, now);
    }
    if (!evaluates()) board_.finish_round();
    board_.show(state_);
    report();
    return {};
  }

  void masking_received(const std::string& site, const wire::Masking& step, TimePoint now) {
    if (!sum_ || sum_->key() != step.key) return;  // of a session that is over
    board_.add_bytes(step.message.size());
    auto message = secagg::decode_site_message(step.message);
    if (!message) {
      fail_site(site, step.key, message.error(), now);
      return;
    }
    follow(sum_->receive(site, *message), now);
  }

  void site_failed(const std::string& site, const job::SessionKey& key, const std::string& reason, TimePoint now) {
    handle(Failed{site, key, reason}, now);
    lose(site, key, now);
  }

  /// The site is out of the session, and so of its masks.
  void lose(const std::string& site, const job::SessionKey& key, TimePoint now) {
    if (sum_ && sum_->key() == key) follow(sum_->lose(site), now);
  }

  void site_connected(const std::string& site, TimePoint now) {
    connection_changed(SiteConnected{site}, site, now);
    remind(site);
  }
  void site_left(const std::string& site, TimePoint now) { connection_changed(SiteLeft{site}, site, now); }

  void partial_received(const std::string& site, const job::SessionKey& key, TimePoint now) {
    if (!handle(Answered{site, key, Standing::kPartial, {}}, now)) lose(site, key, now);
  }

  void tick(TimePoint now) {
    const auto due = keys_due();
    if (due && now >= *due) follow(sum_->close_key_agreement(), now);
    const auto* unmasking = std::get_if<Unmasking>(&state_.phase);
    if (unmasking != nullptr && sum_ && now >= unmasking->until) follow(sum_->close_unmasking(), now);
    handle(Tick{}, now);
  }

  [[nodiscard]] std::optional<TimePoint> next_wakeup() const {
    const auto machine = round::next_wakeup(state_);
    const auto keys = keys_due();
    return machine && keys ? std::min(*machine, *keys) : (keys ? keys : machine);
  }

  Result<void> vector_received(const std::string& site, const job::SessionKey& key, WordSource& words, TimePoint now) {
    CONSILIUM_TRY(admits(state_, site, key));
    if (!sum_ || sum_->key() != key)
      return fail(ErrorCode::kInternal, fmt::format("{}: no sum is open", job::to_string(key)));
    auto taken = sum_->take(site, words);
    if (!taken) {
      const Error error = std::move(taken).error().within(fmt::format("{}: vector of {}", job::to_string(key), site));
      if (sum_->intact()) {
        handle(Failed{site, key, error.message}, now);
      } else {
        handle(SumSpoiled{key, error.message}, now);
      }
      return fail(error);
    }
    board_.add_bytes(words.word_count() * sizeof(std::uint32_t));
    if (auto refused = handle(Answered{site, key, Standing::kUpdate, *taken}, now)) return fail(*std::move(refused));
    return {};
  }

  void progress(const std::string& site, const wire::SessionProgress& progress) {
    if (!admits(state_, site, progress.key)) return;
    board_.progress(site, progress.phase);
    board_.show_site(state_, site);
    report();
  }

  Result<std::uint64_t> expected_words(const std::string& site, const job::SessionKey& key) const {
    CONSILIUM_TRY(admits(state_, site, key));
    if (!sum_ || sum_->key() != key)
      return fail(ErrorCode::kInternal, fmt::format("{}: no sum is open", job::to_string(key)));
    CONSILIUM_TRY(sum_->admits(site));
    return sum_->word_count();
  }

  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] const report::JobStatus& status() const { return board_.status(); }
  [[nodiscard]] const job::JobSpec& spec() const { return spec_; }

 private:
  std::optional<Error> apply(const Event& event, TimePoint now) {
    Transition transition = advance(std::move(state_), event, now);
    state_ = std::move(transition.state);
    if (transition.refused) return std::move(transition.refused);
    board_.heard(event);
    if (!transition.effects.empty()) board_.look_at_all();
    for (const Effect& effect : transition.effects) {
      if (!journal_failed_) {
        if (auto kept = parts_.journal.append(to_entry(job_id_, effect)); !kept) {
          // Nothing of it is carried out; the sites are told that the job is over, which needs no record.
          journal_failed_ = true;
          follow_up_.clear();
          follow_up_.push_back(Fault{fmt::format("the journal can't be written: {}", kept.error().message)});
          return {};
        }
      }
      std::visit([&](const auto& action) { carry_out(action, now); }, effect.action);
    }
    return {};
  }

  /// The site's stream has ended, or a new one has taken its place: what it was at is lost.
  void connection_changed(const Event& event, const std::string& site, TimePoint now) {
    // One that is asked to confirm or reveal may come back and do so.
    const bool may_return = !sum_ || std::holds_alternative<Unmasking>(state_.phase);
    const job::SessionKey key = sum_ ? sum_->key() : job::SessionKey{};
    handle(event, now);
    if (!may_return) lose(site, key, now);
  }

  /// A site that came back during the last steps is told again what it may have missed.
  void remind(const std::string& site) {
    if (!sum_) return;
    for (const secagg::CoordinatorMessage& message : sum_->owed(site)) send_masking(site, message);
  }

  /// Does the round that was committed last still wait for its metrics?
  [[nodiscard]] bool evaluates() const {
    const auto* session = std::get_if<Collecting>(&state_.phase);
    if (const auto* unmasking = std::get_if<Unmasking>(&state_.phase)) session = &unmasking->session;
    return session != nullptr && session->key.kind == job::SumKind::kEvaluate;
  }

  void send_masking(const std::string& site, const secagg::CoordinatorMessage& message) {
    std::vector<std::byte> bytes = secagg::encode(message);
    board_.add_bytes(bytes.size());
    parts_.gateway.send(site, wire::Masking{sum_->key(), std::move(bytes)});
  }

  void fail_site(const std::string& site, const job::SessionKey& key, const Error& error, TimePoint now) {
    parts_.gateway.send(site, wire::SessionClosed{key, error.message});
    handle(Failed{site, key, error.message}, now);
    lose(site, key, now);
  }

  /// Carries out what the masks' protocol decided. What it leads to (a site fails, the session closes) may end the sum.
  void follow(secagg::Output output, TimePoint now) {
    const job::SessionKey key = sum_->key();
    const unsigned phase = sum_->key_phase();
    if (phase != key_phase_) {
      key_phase_ = phase;
      key_phase_since_ = now;
    }
    for (const std::string& note : output.notes) spdlog::warn("{}: {}", job::to_string(key), note);
    for (const auto& [site, message] : output.messages) send_masking(site, message);
    for (const auto& [site, error] : output.lost) {
      spdlog::warn("{}: site {}: {}", job::to_string(key), site, error.message);
      parts_.gateway.send(site, wire::SessionClosed{key, error.message});
      handle(Failed{site, key, error.message}, now);
    }
    if (sum_ && sum_->key() == key) settle_masks(now);
  }

  void settle_masks(TimePoint now) {
    const job::SessionKey key = sum_->key();
    const bool asked = std::holds_alternative<Unmasking>(state_.phase);
    if (const auto reason = sum_->spoiled()) {
      if (asked) {
        handle(UnmaskingFailed{key, *reason}, now);
      } else {
        handle(SumSpoiled{key, *reason}, now);
      }
    } else if (asked) {
      if (sum_->unmaskable()) take_masks_off(now);
    } else {
      for (const auto& [site, reason] : sum_->stranded()) {
        if (!admits(state_, site, key)) continue;
        parts_.gateway.send(site, wire::SessionClosed{key, reason});
        handle(Failed{site, key, reason}, now);
      }
    }
  }

  void take_masks_off(TimePoint now) {
    const job::SessionKey key = sum_->key();
    auto left_out = sum_->unmask(parts_.threads);
    if (left_out) {
      // Those that have confirmed wait for what will never come.
      for (const auto& [site, reason] : *left_out) parts_.gateway.send(site, wire::SessionClosed{key, reason});
      handle(Unmasked{key, *std::move(left_out)}, now);
    } else {
      handle(UnmaskingFailed{key, left_out.error().message}, now);
    }
  }

  [[nodiscard]] std::optional<TimePoint> keys_due() const {
    if (!sum_ || sum_->key_phase() == 0) return std::nullopt;
    return key_phase_since_ + std::min(kKeyAgreementLimit, state_.rules.deadline / 3);
  }

  [[nodiscard]] bool masks_are_on() const { return job::is_masked(spec_) && parts_.authenticator; }

  /// Who sums with whom, and the order that each group gets.
  Result<std::vector<SessionSum::Group>> groups_of(const OpenSession& action) const {
    const crypto::Digest model = action.key.kind == job::SumKind::kCensus ? crypto::Digest{} : model_.digest();
    std::map<std::uint32_t, std::vector<std::string>> sites;
    for (const std::string& site : action.cohort) {
      const auto group = state_.rules.count_groups.find(site);
      const bool counts = action.key.kind != job::SumKind::kTrain && group != state_.rules.count_groups.end();
      sites[counts ? group->second : 0].push_back(site);
    }
    std::vector<SessionSum::Group> groups;
    for (auto& [number, members] : sites) {
      CONSILIUM_ASSIGN(job::RoundOrder order, job::expected_order(spec_, action.key, action.normaliser, model, number));
      groups.push_back({std::move(order), std::move(members)});
    }
    return groups;
  }

  Result<void> open_sum(const OpenSession& action, std::vector<SessionSum::Group> groups, TimePoint now) {
    std::optional<SessionSum::Masks> masks;
    if (masks_are_on()) masks = SessionSum::Masks{job::colluding_sites(spec_), parts_.authenticator};
    std::optional<SessionSum> former;
    if (action.key.kind == job::SumKind::kTrain) former = std::exchange(former_, std::nullopt);
    const auto classes = static_cast<std::uint64_t>(spec_.model.classes);
    CONSILIUM_ASSIGN(sum_, SessionSum::create(action.key, std::move(groups), classes, !job::is_masked(spec_), masks,
                                              std::move(former)));
    key_phase_ = sum_->key_phase();
    key_phase_since_ = now;
    return {};
  }

  void carry_out(const OfferJob& action, TimePoint) {
    parts_.gateway.send(action.site, wire::JobOffer{job_id_, spec_text_, researcher_});
  }

  void carry_out(const OpenSession& action, TimePoint now) {
    auto groups = groups_of(action);
    const auto opened = groups ? open_sum(action, *groups, now) : Result<void>(fail(groups.error()));
    if (!opened) {
      follow_up_.push_back(Fault{opened.error().message});
      return;
    }
    const bool with_model = action.key.kind != job::SumKind::kCensus;
    const std::uint64_t model_bytes = with_model ? model_.bytes() : 0;
    board_.opened(action, model_.digest(), model_bytes, now);
    for (const SessionSum::Group& group : *groups) {
      const std::vector<std::byte> encoded = job::encode(group.order);
      for (const std::string& site : group.sites)
        parts_.gateway.send(site, wire::SessionOffer{action.key, encoded, model_bytes});
    }
  }

  void carry_out(const CancelSession& action, TimePoint) {
    for (const std::string& site : action.sites)
      parts_.gateway.send(site, wire::SessionClosed{action.key, action.reason});
  }

  void carry_out(const UnmaskSum& action, TimePoint) {
    if (!masks_are_on()) {
      auto left_out = sum_->unmask(parts_.threads);
      if (left_out) {
        follow_up_.push_back(Unmasked{action.key, *std::move(left_out)});
      } else {
        follow_up_.push_back(SumSpoiled{action.key, left_out.error().message});
      }
      return;
    }
    const secagg::Output output = sum_->close_uploads();
    for (const auto& [site, message] : output.messages) send_masking(site, message);
    if (const auto reason = sum_->spoiled()) follow_up_.push_back(SumSpoiled{action.key, *reason});
  }

  void carry_out(const CloseSum& action, TimePoint now) {
    auto outcome = close(action, now);
    retire_sum();
    if (outcome) {
      follow_up_.push_back(*std::move(outcome));
    } else {
      follow_up_.push_back(CommitFailed{action.key, outcome.error().message});
    }
  }

  void carry_out(const DropSum& action, TimePoint) {
    if (sum_ && sum_->key() == action.key) sum_.reset();
    if (action.key.kind == job::SumKind::kEvaluate) board_.evaluation_missed(action.answers, action.reason);
  }

  void carry_out(const Publish& action, TimePoint) {
    model_.publish(action.model);
    board_.published(action.model);
  }

  void carry_out(const EndJob& action, TimePoint) {
    sum_.reset();
    former_.reset();
    model_.forget();
    board_.finish_round();
    for (const std::string& site : action.sites) {
      parts_.gateway.send(site, wire::JobEnded{job_id_, outcome_text(action.outcome, action.message)});
    }
  }

  /// Keeps the memory of a sum of updates for the next one.
  void retire_sum() {
    if (sum_ && sum_->key().kind == job::SumKind::kTrain) former_ = std::move(sum_);
    sum_.reset();
  }

  Result<Committed> close(const CloseSum& action, TimePoint now) {
    if (!sum_ || sum_->key() != action.key) return fail(ErrorCode::kInternal, "the sum is gone");
    switch (action.key.kind) {
      case job::SumKind::kCensus: {
        CONSILIUM_ASSIGN(const std::uint64_t examples, sum_->training_examples());
        return Committed{action.key, examples, {}};
      }
      case job::SumKind::kTrain: {
        CONSILIUM_ASSIGN(const StatusBoard::Training training, model_.next(sum_->sum(), action));
        board_.trained(action, training, now);
        return Committed{action.key, 0, training.model};
      }
      case job::SumKind::kEvaluate: {
        CONSILIUM_ASSIGN(report::Metrics metrics, sum_->metrics());
        board_.evaluated(action, std::move(metrics), sum_->site_metrics(), now);
        return Committed{action.key, 0, {}};
      }
    }
    return fail(ErrorCode::kInternal, "unknown kind of sum");
  }

  void report() {
    if (parts_.changed) parts_.changed(board_.status());
  }

  std::string job_id_;
  std::string researcher_;
  job::JobSpec spec_;
  std::string spec_text_;
  Parts parts_;
  State state_;
  StatusBoard board_;
  std::optional<SessionSum> sum_;
  unsigned key_phase_ = 0;  ///< of sum_
  TimePoint key_phase_since_{};
  std::deque<Event> follow_up_;  ///< what carrying effects out led to
  GlobalModel model_;
  bool journal_failed_ = false;
  std::optional<SessionSum> former_;  ///< the last sum of updates: the next one takes its memory
};

Result<std::unique_ptr<JobDriver>> JobDriver::create(std::string job_id, std::string researcher,
                                                     const job::JobSpec& spec, const crypto::Digest& initial_model,
                                                     Parts parts) {
  if (job::is_masked(spec) && !parts.authenticator && !parts.simulated) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("job {} asks for secure aggregation, which this coordinator can't do", job_id));
  }
  CONSILIUM_ASSIGN(ParameterManifest manifest, model::build_manifest(spec.model));
  CONSILIUM_ASSIGN(const std::uint64_t size, parts.blobs.size(initial_model));
  if (size != manifest.parameter_count() * sizeof(float)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("job {}: initial weights of {} bytes, the model needs {}",
                                                         job_id, size, manifest.parameter_count() * sizeof(float)));
  }
  auto impl = std::make_unique<Impl>(std::move(job_id), std::move(researcher), spec, std::move(manifest), initial_model,
                                     std::move(parts));
  return std::unique_ptr<JobDriver>(new JobDriver(std::move(impl)));
}

JobDriver::JobDriver(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JobDriver::~JobDriver() = default;

bool JobDriver::wants(const std::string& site) const { return round::wants(impl_->state().rules, site); }
void JobDriver::begin(TimePoint now) { impl_->handle(Begin{}, now); }
void JobDriver::site_connected(const std::string& site, TimePoint now) { impl_->site_connected(site, now); }
void JobDriver::site_left(const std::string& site, TimePoint now) { impl_->site_left(site, now); }
void JobDriver::masking_received(const std::string& site, const wire::Masking& step, TimePoint now) {
  impl_->masking_received(site, step, now);
}
void JobDriver::job_answer(const std::string& site, bool accepted, const std::string& reason, TimePoint now) {
  if (accepted) {
    impl_->handle(SiteAccepted{site}, now);
  } else {
    impl_->handle(SiteDeclined{site, reason}, now);
  }
}
void JobDriver::progress(const std::string& site, const wire::SessionProgress& progress) {
  impl_->progress(site, progress);
}
Result<void> JobDriver::vector_received(const std::string& site, const job::SessionKey& key, WordSource& words,
                                        TimePoint now) {
  return impl_->vector_received(site, key, words, now);
}
void JobDriver::partial_received(const std::string& site, const job::SessionKey& key, TimePoint now) {
  impl_->partial_received(site, key, now);
}
void JobDriver::site_failed(const std::string& site, const job::SessionKey& key, const std::string& reason,
                            TimePoint now) {
  impl_->site_failed(site, key, reason, now);
}
void JobDriver::stop(const std::string& reason, TimePoint now) { impl_->handle(Stop{reason}, now); }
void JobDriver::tick(TimePoint now) { impl_->tick(now); }
std::optional<TimePoint> JobDriver::next_deadline() const { return impl_->next_wakeup(); }
Result<std::uint64_t> JobDriver::expected_words(const std::string& site, const job::SessionKey& key) const {
  return impl_->expected_words(site, key);
}
const report::JobStatus& JobDriver::status() const { return impl_->status(); }
const job::JobSpec& JobDriver::spec() const { return impl_->spec(); }
bool JobDriver::ended() const { return std::holds_alternative<Ended>(impl_->state().phase); }

}  // namespace consilium::round
