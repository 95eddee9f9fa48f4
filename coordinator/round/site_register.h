#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace consilium::round {

using Clock = std::chrono::steady_clock;  ///< time points come in from outside, so tests and simulation need no sleep
using TimePoint = Clock::time_point;

enum class Consent : std::uint8_t { kUnasked, kAsked, kAccepted, kDeclined, kWaits };

/// A site that the job wants, as far as it has been heard of.
struct SiteState {
  bool connected = false;
  Consent consent = Consent::kUnasked;
  TimePoint asked_at{};
  bool overdue = false;                   ///< asked, and the job waits no longer for its answer
  bool member = false;                    ///< counted in a census
  bool unfit = false;                     ///< its census failed; a new connection gives it another chance
  std::optional<std::uint64_t> examples;  ///< n_i of a member, in a plain job
  std::string reason;                     ///< why it declined, or why it is unfit

  /// Has been asked over this connection, and hasn't said yes or no: a person may have to look at the job first.
  [[nodiscard]] bool undecided() const {
    return connected && (consent == Consent::kAsked || consent == Consent::kWaits);
  }
  /// Undecided, and the job still waits for its answer.
  [[nodiscard]] bool owes_answer() const { return undecided() && !overdue; }
  [[nodiscard]] bool may_decline() const { return undecided() || ready(); }
  /// May be asked to work: connected, and has accepted over this connection.
  [[nodiscard]] bool ready() const { return connected && consent == Consent::kAccepted; }
  /// Ready, and counted or to be counted.
  [[nodiscard]] bool fit() const { return ready() && !unfit; }
  [[nodiscard]] bool newcomer() const { return fit() && !member; }
  /// A member that has something to train on, as far as the coordinator is told.
  [[nodiscard]] bool trains() const { return member && examples.value_or(1) > 0; }
  [[nodiscard]] bool can_train() const { return ready() && trains(); }
};

/// How many sites there are of each kind that decides what a job does next.
struct SiteCounts {
  std::size_t fit = 0;
  std::size_t newcomers = 0;
  std::size_t can_train = 0;
  std::size_t train = 0;     ///< members that have something to train on, there or not
  std::size_t out = 0;       ///< declined, or unfit
  std::size_t may_come = 0;  ///< members that haven't declined
  std::size_t waiting = 0;   ///< somebody there has to approve the job
  bool operator==(const SiteCounts&) const = default;
};

/// The sites of one job. A site is changed through change() alone, which keeps the counts: an event costs the logarithm
/// of the number of sites, however many there are.
class SiteRegister {
 public:
  using Sites = std::map<std::string, SiteState>;

  [[nodiscard]] Sites::const_iterator begin() const { return sites_.begin(); }
  [[nodiscard]] Sites::const_iterator end() const { return sites_.end(); }
  [[nodiscard]] Sites::const_iterator find(const std::string& name) const { return sites_.find(name); }
  [[nodiscard]] const SiteState& at(const std::string& name) const { return sites_.at(name); }
  [[nodiscard]] bool contains(const std::string& name) const { return sites_.contains(name); }

  [[nodiscard]] const SiteCounts& counts() const { return counts_; }
  /// How many connected sites owe the job an answer that is still waited for.
  [[nodiscard]] std::size_t answers_owed() const { return owing_.size(); }
  /// When the one of them was asked that has been asked first.
  [[nodiscard]] std::optional<TimePoint> first_asked() const;

  /// Calls `change` with a site's state, a new one where the site hasn't been heard of.
  template <class Change>
  void change(const std::string& name, Change change) {
    auto& [key, site] = *sites_.try_emplace(name).first;
    forget(key, site);
    change(site);
    note(key, site);
  }
  /// Waits no longer for the answers of sites that were asked at `last` or before.
  void let_answers_lapse(TimePoint last);

 private:
  void forget(const std::string& name, const SiteState& site);
  void note(const std::string& name, const SiteState& site);

  Sites sites_;
  SiteCounts counts_;
  std::set<std::pair<TimePoint, std::string>> owing_;  ///< when each was asked
};

}  // namespace consilium::round
