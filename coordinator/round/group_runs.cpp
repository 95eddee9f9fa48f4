#include "coordinator/round/group_runs.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <utility>

#include "common/job/cohort_rules.h"
#include "coordinator/round/decline_advice.h"

namespace consilium::round {
namespace {

/// How long sites may take to advertise for the key agreement, and the pause before it is tried again.
constexpr Clock::duration kAgreementLimit = std::chrono::seconds(60);
constexpr Clock::duration kPause = std::chrono::seconds(2);
constexpr Clock::duration kAnnounceAgain = std::chrono::seconds(30);

template <class T>
void move_into(std::vector<T>& to, std::vector<T> from) {
  std::ranges::move(from, std::back_inserter(to));
}

}  // namespace

void GroupRuns::Output::append(Output other) {
  move_into(messages, std::move(other.messages));
  move_into(events, std::move(other.events));
  move_into(notes, std::move(other.notes));
}

GroupRuns::GroupRuns(std::string job_id, const job::JobSpec& spec, const crypto::Digest& job_digest,
                     std::shared_ptr<const secagg::Authenticator> authenticator)
    : job_id_(std::move(job_id)),
      spec_(&spec),
      job_digest_(job_digest),
      groups_(job::count_groups(spec)),
      authenticator_(std::move(authenticator)) {
  if (authenticator_) return;
  for (std::uint32_t i = 0; i < groups_.size(); ++i) agreed_groups_.push_back(i);
}

// The key agreement.

GroupRuns::Output GroupRuns::agree(const Ready& ready, TimePoint now) {
  Output output;
  if (agreement_) {
    if (now >= agreement_due_) output.append(follow(agreement_->close(), now));
    return output;
  }
  if (now < agreement_due_) return output;
  const auto whole = static_cast<std::size_t>(
      std::ranges::count_if(groups_, [&](const auto& group) { return std::ranges::all_of(group, ready); }));
  const bool enough = now >= pending_->due ? 2 * whole > groups_.size() : whole + declined_.size() == groups_.size();
  if (!enough) return output;
  auto started = secagg::AgreementCoordinator::start({job_digest_, ++tries_, groups_, job::colluding_sites(*spec_)},
                                                     *authenticator_);
  if (!started) {
    output.events.push_back(Fault{started.error().message});
    return output;
  }
  agreement_ = *std::move(started);
  agreement_due_ = now + kAgreementLimit;
  for (const auto& group : groups_) {
    for (const std::string& site : group) {
      if (ready(site)) output.messages.emplace_back(site, wire::KeyAgreement{job_id_, tries_, {}});
    }
  }
  return output;
}

GroupRuns::Output GroupRuns::follow(secagg::AgreementOutput from, TimePoint now) {
  Output output;
  for (auto& [site, message] : from.messages) {
    output.messages.emplace_back(site, wire::KeyAgreement{job_id_, tries_, secagg::encode(message)});
    agreement_due_ = now + pending_->plan.deadline;
  }
  for (const auto& [site, error] : from.refused)
    output.notes.push_back(fmt::format("{}: key agreement: {}: {}", job_id_, site, error.message));
  if (agreement_->phase() == secagg::AgreementPhase::kFailed) {
    end_try(now, output);
  } else if (agreement_->phase() == secagg::AgreementPhase::kAgreed) {
    confirmation_ = agreement_->confirmation();
    agreed_groups_ = agreement_->groups();
    agreement_.reset();
    agreement_trouble_.clear();
    output.append(start_sums(now));
  }
  return output;
}

void GroupRuns::end_try(TimePoint now, Output& output) {
  agreement_trouble_ = agreement_->failure().message;
  output.notes.push_back(fmt::format("{}: key agreement, try {}: {}", job_id_, tries_, agreement_->failure().message));
  agreement_.reset();
  agreement_due_ = now + kPause;
}

GroupRuns::Output GroupRuns::receive(const std::string& site, const wire::KeyAgreement& step, TimePoint now) {
  Output output;
  if (!agreement_ || step.attempt != tries_) return output;
  const auto message = secagg::decode_agreement_site_message(step.message);
  if (message) return follow(agreement_->receive(site, *message), now);
  output.notes.push_back(fmt::format("{}: key agreement: {}: {}", job_id_, site, message.error().message));
  return output;
}

// Sums.

GroupRuns::Output GroupRuns::open(const OpenSession& action, const crypto::Digest& model, std::uint64_t model_bytes,
                                  Clock::duration deadline, TimePoint now) {
  const bool census = action.key.kind == job::SumKind::kCensus;
  GroupSumPlan plan{action.key.kind, action.key.round, census ? crypto::Digest{} : model, census ? 0 : model_bytes, {},
                    deadline,        action.labels};
  for (std::uint32_t i = 0; i < groups_.size(); ++i) {
    if (std::ranges::find(action.cohort, groups_[i].front()) != action.cohort.end()) plan.groups.push_back(i);
  }
  pending_ = Pending{action, std::move(plan), now + deadline};
  return masked() && !confirmation_ ? Output{} : start_sums(now);
}

GroupRuns::Output GroupRuns::start_sums(TimePoint) {
  Output output;
  Pending pending = *std::exchange(pending_, std::nullopt);
  std::vector<std::uint32_t> groups;
  for (const std::uint32_t group : pending.plan.groups) {
    if (const auto declined = declined_.find(group); declined != declined_.end()) {
      fail_group(group, declined->second, output);
    } else if (std::ranges::binary_search(agreed_groups_, group)) {
      groups.push_back(group);
    } else {
      fail_group(group, "its group took no part in the key agreement", output);
    }
  }
  pending.plan.groups = std::move(groups);
  std::optional<GroupMasks> masks;
  if (masked()) masks = GroupMasks{authenticator_, *confirmation_};
  std::optional<aggregation::StreamingSum> former;
  if (pending.plan.kind == job::SumKind::kTrain) former = std::exchange(former_, std::nullopt);
  auto sums = GroupSums::create(job_id_, *spec_, std::move(pending.plan), std::move(masks), std::move(former));
  if (sums) {
    sums_ = *std::move(sums);
  } else {
    output.events.push_back(Fault{sums.error().message});
  }
  return output;
}

void GroupRuns::fail_group(std::uint32_t group, const std::string& reason, Output& output) const {
  const job::SessionKey key{job_id_, pending_ ? pending_->plan.kind : sums_->plan().kind,
                            pending_ ? pending_->plan.round : sums_->plan().round, 1};
  for (const std::string& site : groups_.at(group)) output.events.push_back(Failed{site, key, reason});
}

GroupRuns::Output GroupRuns::from(GroupOutput group_output) {
  Output output;
  output.messages = std::move(group_output.messages);
  output.notes = std::move(group_output.notes);
  const job::SessionKey key{job_id_, sums_->plan().kind, sums_->plan().round, 1};
  for (const std::uint32_t group : group_output.complete) {
    for (const std::string& site : groups_[group]) output.events.push_back(Answered{site, key, Standing::kUpdate, {}});
  }
  for (const auto& [group, reason] : group_output.given_up) fail_group(group, reason, output);
  return output;
}

/// Announces the total again: a site that couldn't fetch it sends nothing, and signs after a later announcement.
GroupRuns::Output GroupRuns::remind(const Ready& ready, TimePoint now) {
  Output output;
  const bool due = announced_->again && now >= *announced_->again;
  if (due) {
    for (const std::string& site : announced_->endorsements.missing()) {
      if (ready(site)) output.messages.emplace_back(site, announced_->message);
    }
  }
  if (due || !announced_->again) announced_->again = now + kAnnounceAgain;
  return output;
}

GroupRuns::Output GroupRuns::advance(const Ready& ready, TimePoint now) {
  if (pending_) return agree(ready, now);
  if (announced_) return remind(ready, now);
  return sums_ ? from(sums_->advance(ready, now)) : Output{};
}

std::optional<TimePoint> GroupRuns::wakeup() const {
  if (pending_)
    return agreement_ || agreement_due_ > pending_->due ? agreement_due_ : std::max(agreement_due_, pending_->due);
  if (announced_) return announced_->again;
  return sums_ ? sums_->wakeup() : std::nullopt;
}

std::string GroupRuns::since(const std::string& site) const {
  const auto gone = gone_since_.find(site);
  if (gone == gone_since_.end()) return site;
  const std::time_t at = std::chrono::system_clock::to_time_t(gone->second);
  std::tm utc{};
  ::gmtime_r(&at, &utc);
  return fmt::format("{} (gone since {:02}:{:02} UTC)", site, utc.tm_hour, utc.tm_min);
}

std::string GroupRuns::waiting(const Ready& ready) const {
  if (announced_) {
    const auto missing = announced_->endorsements.missing();
    return fmt::format("sites check the total; signatures of {} are missing", fmt::join(missing, ", "));
  }
  const auto named = [this](const std::string& site) { return since(site); };
  if (!pending_) return sums_ ? sums_->waiting(ready, named) : "";
  if (agreement_) return fmt::format("sites agree on a key; waits for {}", fmt::join(agreement_->awaited(), ", "));
  std::vector<std::string> missing;
  for (const auto& group : groups_) {
    for (const std::string& site : group) {
      if (!ready(site)) missing.push_back(since(site));
    }
  }
  if (missing.empty()) return agreement_trouble_;
  return fmt::format("waits for {}; the job goes on when all sites of a group are connected{}{}",
                     fmt::join(missing, ", "), agreement_trouble_.empty() ? "" : "; ", agreement_trouble_);
}

GroupRuns::Output GroupRuns::receive(const std::string& site, const wire::Masking& step, TimePoint now) {
  return sums_ ? from(sums_->receive(site, step, now)) : Output{};
}

std::optional<job::SessionKey> GroupRuns::attempt_of(const std::string& site) const {
  return sums_ ? sums_->attempt_of(site) : std::nullopt;
}

Result<std::uint64_t> GroupRuns::expected_words(const std::string& site, const job::SessionKey& key) const {
  if (!sums_) return fail(ErrorCode::kFailedPrecondition, fmt::format("{}: no sum is open", job::to_string(key)));
  CONSILIUM_TRY(sums_->admits(site, key));
  return sums_->word_count();
}

Result<GroupRuns::Output> GroupRuns::take(const std::string& site, const job::SessionKey& key,
                                          aggregation::WordSource& words, TimePoint now) {
  if (!sums_) return fail(ErrorCode::kFailedPrecondition, fmt::format("{}: no sum is open", job::to_string(key)));
  CONSILIUM_ASSIGN(GroupOutput output, sums_->take(site, key, words, now));
  return from(std::move(output));
}

// Sites that connect, leave or fail.

GroupRuns::Output GroupRuns::returned(const std::string& site) {
  Output output;
  gone_since_.erase(site);
  if (agreement_) {
    const auto unanswered = agreement_->unanswered(site);
    if (agreement_->phase() == secagg::AgreementPhase::kAdvertising && agreement_->awaited().contains(site))
      output.messages.emplace_back(site, wire::KeyAgreement{job_id_, tries_, {}});
    for (const auto& message : unanswered)
      output.messages.emplace_back(site, wire::KeyAgreement{job_id_, tries_, secagg::encode(message)});
  }
  for (const auto& commit : {census_commit_, last_commit_}) {
    if (commit) output.messages.emplace_back(site, *commit);
  }
  if (announced_) output.messages.emplace_back(site, announced_->message);
  return output;
}

GroupRuns::Output GroupRuns::left(const std::string& site, bool replaced, TimePoint now) {
  if (!replaced) gone_since_.emplace(site, std::chrono::system_clock::now());
  return sums_ ? from(sums_->lose(site, "disconnected", true, now)) : Output{};
}

std::size_t GroupRuns::groups_needed() const {
  const std::size_t drawn = job::cohort_size(spec_->federation.fraction, groups_.size());
  return std::max(groups_.size() / 2 + 1,
                  static_cast<std::size_t>(job::answers_needed(spec_->federation.quorum, drawn)));
}

GroupRuns::Output GroupRuns::declined(const std::string& site, const std::string& reason, TimePoint now) {
  Output output;
  for (std::uint32_t group = 0; group < groups_.size(); ++group) {
    if (std::ranges::find(groups_[group], site) == groups_[group].end()) continue;
    const std::string said = fmt::format("{} declined: {}", site, reason);
    if (!declined_.emplace(group, said).second) continue;
    if (groups_.size() - declined_.size() < groups_needed()) {
      output.events.push_back(Fault{
          fmt::format("{}; sums are over whole groups of sites, and without this site too few groups are left: {}",
                      said, advice_about(reason))});
    } else if (sums_) {
      output.append(from(sums_->give_up(group, said, now)));
    }
  }
  return output;
}

GroupRuns::Output GroupRuns::failed(const std::string& site, const job::SessionKey& key, const std::string& reason,
                                    TimePoint now) {
  if (announced_ && key == announced_->message.key) {
    Output output;
    output.events.push_back(
        Fault{fmt::format("{}: site {} refuses the total, because it isn't the true sum: this coordinator or a site of "
                          "an included group lied",
                          job::to_string(key), site)});
    return output;
  }
  if (!sums_ || sums_->attempt_of(site) != key) return {};
  return from(sums_->lose(site, reason, false, now));
}

// The end of a session.

GroupRuns::Output GroupRuns::close(const std::string& reason) {
  Output output;
  if (!sums_) return output;
  output.messages = sums_->close(reason).messages;
  return output;
}

void GroupRuns::drop() {
  pending_.reset();
  if (sums_ && sums_->plan().kind == job::SumKind::kTrain) former_ = std::move(sums_->total());
  sums_.reset();
  announced_.reset();
}

Result<aggregation::StreamingSum*> GroupRuns::total() {
  if (!sums_) return fail(ErrorCode::kInternal, "the sum was already discarded");
  return &sums_->total();
}

GroupRuns::Output GroupRuns::announce(const Committed& committed, const crypto::Digest& total, std::uint64_t words,
                                      const crypto::Digest& model, const crypto::Digest& state, const Ready& ready) {
  Output output;
  const std::vector<wire::IncludedSum> included = sums_->included();
  drop();
  if (!masked() || committed.key.kind == job::SumKind::kEvaluate) {
    output.events.push_back(committed);
    return output;
  }
  wire::GroupTotal message{committed.key, included, total, words};
  secagg::CommitStatement statement{job_digest_, committed.key.kind, committed.key.round, {}, model, state};
  for (const wire::IncludedSum& sum : message.sums) statement.groups.push_back({sum.group, sum.cohort});
  announced_ = Announced{std::move(message), committed, Endorsements(*spec_, std::move(statement), authenticator_)};
  for (const std::uint32_t group : agreed_groups_) {
    for (const std::string& site : groups_[group]) {
      if (ready(site)) output.messages.emplace_back(site, announced_->message);
    }
  }
  return output;
}

GroupRuns::Output GroupRuns::receive(const std::string& site, const wire::Endorsement& endorsement) {
  Output output;
  if (!announced_ || endorsement.key != announced_->message.key) return output;
  if (const auto taken = announced_->endorsements.take(site, endorsement.commit); !taken) {
    output.notes.push_back(fmt::format("{}: {}: {}", job::to_string(endorsement.key), site, taken.error().message));
    return output;
  }
  if (!announced_->endorsements.complete()) return output;
  auto& kept = endorsement.key.kind == job::SumKind::kCensus ? census_commit_ : last_commit_;
  kept = wire::RoundCommitted{endorsement.key, secagg::encode(announced_->endorsements.commit())};
  for (const std::uint32_t group : agreed_groups_) {
    for (const std::string& member : groups_[group]) {
      if (!gone_since_.contains(member)) output.messages.emplace_back(member, *kept);
    }
  }
  output.events.push_back(announced_->committed);
  announced_.reset();
  return output;
}

std::optional<crypto::Digest> GroupRuns::offered_total() const {
  return announced_ ? std::optional(announced_->message.total) : std::nullopt;
}

}  // namespace consilium::round
