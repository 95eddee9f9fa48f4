// Drives random sequences of events through the machine and checks the invariants: every round ends, no answer counts
// twice, no phase is stuck or never reached, and effects are numbered without a gap. In masked jobs a confirmed round
// is never repeated, and no site that has sent a vector waits for a session that is over.
#include <random>
#include <set>

#include "common/job/cohort_rules.h"
#include "tests/catch.h"
#include "tests/unit/coordinator/round/machine_play.h"

using namespace consilium;
using namespace consilium::round;
using job::SumKind;

namespace {

/// The test's own state, derived only from the effects, to compare with the machine.
class Model {
 public:
  Model(std::uint64_t seed, Rules rules) : random_(seed), play_(std::move(rules)) {
    for (int i = 0; i < 6; ++i) names_.push_back("site-" + std::to_string(i));
    names_.push_back("foreign");
  }

  std::set<std::string> reached;
  int finished = 0;
  int refused = 0;

  void run() {
    const int steps = static_cast<int>(below(400));
    for (int i = 0; i < steps && play_.ended() == nullptr; ++i) {
      play_.now += std::chrono::milliseconds(below(below(20) == 0 ? 400000 : 2000));
      tell(next_event());
    }
    let_time_pass();
    if (play_.ended()->outcome == Outcome::kFinished) ++finished;
  }

 private:
  /// Draws a number from 0 to limit - 1. Draws are in braces or in statements of their own, whose order the language
  /// defines, so that the walk is the same with every compiler.
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  std::string any_name() { return names_[below(names_.size())]; }

  job::SessionKey any_key() {
    job::SessionKey key{"job", static_cast<SumKind>(1 + below(3)), static_cast<std::uint32_t>(below(4)),
                        static_cast<std::uint32_t>(1 + below(3))};
    if (const auto* session = play_.session(); session != nullptr && below(8) != 0) key = session->key;
    if (below(30) == 0) key.job_id = "other";
    return key;
  }

  [[nodiscard]] bool masked() const { return play_.state.rules.masked; }

  /// Returns a driver's report of a sum whose masks are to be removed. Once the survivors were asked, the sum is no
  /// longer spoiled but has failed.
  Event unmasking_event(const Collecting& session) {
    if (!confirmed_.contains(session.key)) {
      if (below(6) == 0) return SumSpoiled{session.key, "too few shared their keys"};
      confirmed_.insert(session.key);
    }
    if (below(12) == 0) return UnmaskingFailed{session.key, "too few revealed"};
    Unmasked done{session.key, {}};
    bool others = false;
    for (const auto& [site, answer] : session.answers) {
      const bool in_second_group = play_.state.rules.count_groups.at(site) == 1;
      others = others || (!in_second_group && answer.standing == Standing::kUpdate);
      if (in_second_group) done.left_out[site] = "its group is incomplete";
    }
    if (!others || session.key.kind == SumKind::kTrain || below(3) != 0) done.left_out.clear();
    return done;
  }

  Event next_event() {
    if (const auto* unmasking = std::get_if<Unmasking>(&play_.state.phase); unmasking != nullptr && below(3) != 0)
      return unmasking_event(unmasking->session);
    if (const auto* closing = std::get_if<Closing>(&play_.state.phase); closing != nullptr && below(3) != 0) {
      if (below(25) == 0) return CommitFailed{closing->session.key, "disk full"};
      std::uint64_t examples = 0;
      for (const auto& [site, answer] : closing->session.answers)
        examples += masked() ? below(9) : answer.examples.value_or(0);
      return Committed{closing->session.key, examples, crypto::sha256(job::to_string(closing->session.key))};
    }
    const std::string site = any_name();
    switch (below(40)) {
      case 0:
        return SiteLeft{site};
      case 1:
        return Failed{site, any_key(), "training failed"};
      case 2:
        return Answered{site, any_key(), Standing::kPartial, {}};
      case 3:
        return Tick{};
      case 4:
        return below(10) == 0   ? Event(SiteDeclined{site, "no"})
               : below(10) == 0 ? Event(SiteWaits{site})
                                : Event(SiteAccepted{site});
      case 5:
        if (std::holds_alternative<Unmasking>(play_.state.phase)) return UnmaskingFailed{{"other"}, "of another job"};
        return below(20) == 0 ? Event(SumSpoiled{any_key(), "broken"}) : Event(Tick{});
      case 6:
        return below(20) == 0 ? Event(Stop{"stopped by a researcher"}) : Event(Tick{});
      case 7:
        return foreign_commit();
      case 8:
        return Begin{};
      case 9:
      case 10:
      case 11:
      case 12:
      case 13:
      case 14:
        return SiteConnected{unconnected()};
      case 15:
      case 16:
      case 17:
      case 18:
      case 19:
      case 20:
      case 21:
        return SiteAccepted{site};
      default:
        return Answered{site, any_key(), Standing::kUpdate, examples_of(site)};
    }
  }

  /// Not for a sum that is being closed: a driver reports each commit once, with the counts of its sum.
  Event foreign_commit() {
    job::SessionKey key = any_key();
    if (std::holds_alternative<Closing>(play_.state.phase)) key.job_id = "other";
    return Committed{key, 5, {}};
  }

  /// Mostly a disconnected site, so that streams aren't replaced all the time.
  std::string unconnected() {
    const std::string site = any_name();
    const auto found = play_.state.sites.find(site);
    return found != play_.state.sites.end() && found->second.connected && below(10) != 0 ? any_name() : site;
  }

  std::optional<std::uint64_t> examples_of(const std::string& site) {
    if (masked()) return {};
    return site == "site-0" ? below(2) * 7 : 1 + below(50);
  }

  void tell(const Event& event) {
    const State before = play_.state;
    const auto effects = play_.tell(event);
    reached.insert(name_of_phase());
    if (play_.refused) {
      ++refused;
      REQUIRE(effects.empty());
      REQUIRE_FALSE(play_.refused->message.empty());
      REQUIRE(play_.state.last_effect == before.last_effect);
      REQUIRE(play_.state.phase.index() == before.phase.index());
    }
    check_answer(event);
    for (const Effect& effect : effects) check(effect);
    check_state(before);
  }

  /// An accepted answer was requested, and is the first.
  void check_answer(const Event& event) {
    const auto* answer = std::get_if<Answered>(&event);
    if (answer == nullptr || play_.refused) return;
    REQUIRE(open_.has_value());
    REQUIRE(open_->key == answer->key);
    REQUIRE(cohort_.contains(answer->site));
    REQUIRE(counted_.insert(answer->site).second);
    if (answer->standing == Standing::kUpdate) ++updates_;
  }

  void check(const Effect& effect) {
    REQUIRE(effect.id == ++last_id_);
    REQUIRE_FALSE(over_);
    if (const auto* opened = std::get_if<OpenSession>(&effect.action)) {
      REQUIRE_FALSE(open_.has_value());
      REQUIRE(keys_.insert(opened->key).second);  // a session's key is never used again
      REQUIRE_FALSE(opened->cohort.empty());
      REQUIRE(opened->key.attempt <= (opened->key.kind == SumKind::kTrain ? kMaxAttempts : 100000u));
      REQUIRE((opened->normaliser == 0) == (opened->key.kind == SumKind::kCensus));
      REQUIRE_FALSE((masked() && opened->key.kind == SumKind::kCensus && counted_once_));
      for (const job::SessionKey& done : confirmed_)
        REQUIRE_FALSE((done.kind == opened->key.kind && done.round == opened->key.round));
      told_.clear();
      if (opened->key.kind == SumKind::kTrain) REQUIRE(opened->key.round == published_ + 1);
      if (opened->key.kind == SumKind::kEvaluate) REQUIRE(opened->key.round == published_);
      open_ = *opened;
      cohort_ = {opened->cohort.begin(), opened->cohort.end()};
      REQUIRE_FALSE(cohort_.contains("foreign"));
      counted_.clear();
      updates_ = 0;
    } else if (const auto* cancelled = std::get_if<CancelSession>(&effect.action)) {
      REQUIRE_FALSE(cancelled->sites.empty());
      told_.insert(cancelled->sites.begin(), cancelled->sites.end());
    } else if (const auto* unmask = std::get_if<UnmaskSum>(&effect.action)) {
      REQUIRE(masked());
      REQUIRE(open_.has_value());
      REQUIRE(unmask->key == open_->key);
      REQUIRE(unmasking_.insert(unmask->key).second);
    } else if (const auto* closed = std::get_if<CloseSum>(&effect.action)) {
      REQUIRE(open_.has_value());
      REQUIRE(closed->key == open_->key);
      REQUIRE(masked() == unmasking_.contains(closed->key));
      std::size_t updates = 0;
      std::size_t answered = 0;
      for (const auto& [site, answer] : closed->answers) {
        REQUIRE(cohort_.contains(site));
        REQUIRE(answer.standing != Standing::kPending);
        if (answer.standing == Standing::kUpdate) ++updates;
        if (answer.standing != Standing::kFailed) ++answered;
      }
      REQUIRE(closed->answers.size() == cohort_.size());
      REQUIRE((masked() && closed->key.kind != SumKind::kTrain ? updates <= updates_ : updates == updates_));
      REQUIRE(updates >= 1);
      if (closed->key.kind == SumKind::kTrain) {
        REQUIRE(answered >= job::answers_needed(play_.state.rules.quorum, cohort_.size()));
        REQUIRE(updates <= closed->members);
      }
      open_.reset();
      closing_ = closed->key;
    } else if (const auto* dropped = std::get_if<DropSum>(&effect.action)) {
      REQUIRE(((open_ && open_->key == dropped->key) || closing_ == dropped->key));
      for (const auto& [site, answer] : dropped->answers) {
        if (masked() && answer.standing == Standing::kUpdate) REQUIRE(told_.contains(site));
      }
      open_.reset();
      closing_.reset();
    } else if (const auto* published = std::get_if<Publish>(&effect.action)) {
      REQUIRE(closing_ == published->key);
      REQUIRE(published->key.round == ++published_);
      closing_.reset();
    } else if (std::holds_alternative<EndJob>(effect.action)) {
      REQUIRE_FALSE(open_.has_value());
      over_ = true;
    }
  }

  void check_state(const State& before) {
    const State& state = play_.state;
    REQUIRE(state.last_effect == last_id_);
    REQUIRE(state.round == published_);
    REQUIRE(state.round >= before.round);
    REQUIRE(over_ == (play_.ended() != nullptr));
    REQUIRE(open_.has_value() == (play_.session() != nullptr || std::holds_alternative<Unmasking>(state.phase)));
    if (state.normaliser > 0) counted_once_ = true;
    std::uint64_t examples = 0;
    for (const auto& [name, site] : state.sites) {
      if (site.member) examples += site.examples.value_or(0);
      REQUIRE_FALSE((site.member && site.unfit));
    }
    REQUIRE(state.member_examples == (masked() ? state.normaliser : examples));
    if (masked() && before.normaliser > 0) {
      for (const auto& [name, site] : state.sites) {
        const auto former = before.sites.find(name);
        REQUIRE(site.member == (former != before.sites.end() && former->second.member));
      }
    }
    if (const auto* session = play_.session()) {
      std::size_t pending = 0;
      for (const auto& [site, answer] : session->answers) pending += answer.standing == Standing::kPending ? 1 : 0;
      REQUIRE(session->pending == pending);
      REQUIRE(pending > 0);
      REQUIRE(session->deadline > play_.now - std::chrono::hours(2));
      if (session->key.kind == SumKind::kTrain) {
        // Weights add up to less than 2, so the ring can hold them.
        REQUIRE(state.member_examples < 2 * state.normaliser);
      }
    }
  }

  /// In every state the job ends if nothing happens but time passing.
  void let_time_pass() {
    if (std::holds_alternative<Queued>(play_.state.phase)) tell(Begin{});
    for (int i = 0; i < 1000 && play_.ended() == nullptr; ++i) {
      const auto next = next_wakeup(play_.state);
      REQUIRE(next.has_value());
      play_.now = std::max(play_.now, *next);
      tell(Tick{});
      if (play_.ended() == nullptr) {
        const auto later = next_wakeup(play_.state);
        REQUIRE(later.has_value());
        REQUIRE(*later > play_.now);  // every wakeup changes something
      }
    }
    REQUIRE(play_.ended() != nullptr);
  }

  std::string name_of_phase() const {
    if (const auto* session = play_.session())
      return std::string("collecting ") + std::string(job::name_of(session->key.kind));
    if (const auto* closing = std::get_if<Closing>(&play_.state.phase)) {
      return std::string("closing ") + std::string(job::name_of(closing->session.key.kind));
    }
    if (const auto* unmasking = std::get_if<Unmasking>(&play_.state.phase)) {
      return "unmasking " + std::string(job::name_of(unmasking->session.key.kind));
    }
    if (const auto* ended = play_.ended()) return "ended " + std::to_string(static_cast<int>(ended->outcome));
    return std::holds_alternative<Queued>(play_.state.phase) ? "queued" : "recruiting";
  }

  std::mt19937_64 random_;
  Play play_;
  std::vector<std::string> names_;
  std::uint64_t last_id_ = 0;
  std::optional<OpenSession> open_;
  std::optional<job::SessionKey> closing_;
  std::set<std::string> cohort_;
  std::set<std::string> counted_;
  std::set<job::SessionKey> keys_;
  std::set<job::SessionKey> unmasking_;  ///< sums whose masks were to be removed
  std::set<job::SessionKey> confirmed_;  ///< those of them whose survivors were asked
  std::set<std::string> told_;           ///< told to leave the session
  bool counted_once_ = false;
  std::size_t updates_ = 0;
  std::uint32_t published_ = 0;
  bool over_ = false;
};

Rules random_rules(std::uint64_t seed) {
  std::mt19937_64 random(seed * 31 + 1);
  Rules rules;
  rules.job_id = "job";
  rules.rounds = static_cast<std::uint32_t>(1 + random() % 4);
  rules.listed = {"site-0", "site-1", "site-2", "site-3", "site-4", "site-5"};
  rules.fraction = random() % 2 == 0 ? 1.0 : 0.5;
  rules.minimum_sites = static_cast<std::uint32_t>(1 + random() % 4);
  rules.quorum = std::vector<double>{0.1, 0.5, 0.75, 1.0}[random() % 4];
  rules.deadline = std::chrono::minutes(5);
  rules.evaluate_every = static_cast<std::uint32_t>(random() % 3);
  rules.seed = seed;
  rules.masked = random() % 2 == 0;
  if (rules.masked) {
    for (const std::string& site : rules.listed) rules.count_groups[site] = site < "site-3" ? 0 : 1;
  }
  return rules;
}

}  // namespace

TEST_CASE("whatever happens, every round ends, none is counted twice, and no state is stuck or unreachable") {
  std::set<std::string> reached;
  int finished = 0;
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 6000; ++seed) {
    INFO("seed " << seed);
    Model model(seed, random_rules(seed));
    model.run();
    reached.insert(model.reached.begin(), model.reached.end());
    finished += model.finished;
    refused += model.refused;
  }
  const std::set<std::string> all = {
      "queued",         "recruiting",       "collecting census", "collecting train",  "collecting evaluate",
      "closing census", "closing train",    "closing evaluate",  "ended 0",           "ended 1",
      "ended 2",        "unmasking census", "unmasking train",   "unmasking evaluate"};
  CHECK(reached == all);
  CHECK(finished > 100);
  CHECK(refused > 10000);
}
