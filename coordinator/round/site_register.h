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

using Clock = std::chrono::steady_clock;  ///< callers pass time points in, so tests and simulation need no sleep
using TimePoint = Clock::time_point;

enum class Consent : std::uint8_t { kUnasked, kAsked, kAccepted, kDeclined, kWaits };

/// What is known of a site that the job wants.
struct SiteState {
  bool connected = false;
  Consent consent = Consent::kUnasked;
  TimePoint asked_at{};
  bool overdue = false;                   ///< it was asked, and the job no longer waits for its answer
  bool member = false;                    ///< it was counted in a census
  bool unfit = false;                     ///< it failed in a census; a new connection gives it another chance
  std::optional<std::uint64_t> examples;  ///< n_i of a member, in a plain job
  std::string reason;                     ///< why it declined, or why it is unfit

  /// Returns true if the site was asked over this connection and hasn't accepted or declined. A person may have to
  /// review the job first.
  [[nodiscard]] bool undecided() const {
    return connected && (consent == Consent::kAsked || consent == Consent::kWaits);
  }
  /// Returns true if the site is undecided and the job still waits for its answer.
  [[nodiscard]] bool owes_answer() const { return undecided() && !overdue; }
  [[nodiscard]] bool may_decline() const { return undecided() || ready(); }
  /// Returns true if the site may be asked to work: it is connected and has accepted over this connection.
  [[nodiscard]] bool ready() const { return connected && consent == Consent::kAccepted; }
  /// Returns true if the site is ready and isn't excluded from a census.
  [[nodiscard]] bool fit() const { return ready() && !unfit; }
  [[nodiscard]] bool newcomer() const { return fit() && !member; }
  /// Returns true for a member that has training examples, as far as the coordinator knows.
  [[nodiscard]] bool trains() const { return member && examples.value_or(1) > 0; }
  [[nodiscard]] bool can_train() const { return ready() && trains(); }
};

/// The number of sites of each kind that affects what a job does next.
struct SiteCounts {
  std::size_t fit = 0;
  std::size_t newcomers = 0;
  std::size_t can_train = 0;
  std::size_t train = 0;     ///< members that have training examples, connected or not
  std::size_t out = 0;       ///< declined, or unfit
  std::size_t may_come = 0;  ///< members that haven't declined
  std::size_t waiting = 0;   ///< a person there has to approve the job
  bool operator==(const SiteCounts&) const = default;
};

/// The sites of one job. A site is changed only through change(), which updates the counts. An event therefore costs
/// only the logarithm of the number of sites.
class SiteRegister {
 public:
  using Sites = std::map<std::string, SiteState>;

  [[nodiscard]] Sites::const_iterator begin() const { return sites_.begin(); }
  [[nodiscard]] Sites::const_iterator end() const { return sites_.end(); }
  [[nodiscard]] Sites::const_iterator find(const std::string& name) const { return sites_.find(name); }
  [[nodiscard]] const SiteState& at(const std::string& name) const { return sites_.at(name); }
  [[nodiscard]] bool contains(const std::string& name) const { return sites_.contains(name); }

  [[nodiscard]] const SiteCounts& counts() const { return counts_; }
  /// Returns how many connected sites owe the job an answer that it still waits for.
  [[nodiscard]] std::size_t answers_owed() const { return owing_.size(); }
  /// Returns when the earliest of them was asked.
  [[nodiscard]] std::optional<TimePoint> first_asked() const;

  /// Calls `change` with a site's state, which is new if the site is unknown so far.
  template <class Change>
  void change(const std::string& name, Change change) {
    auto& [key, site] = *sites_.try_emplace(name).first;
    forget(key, site);
    change(site);
    note(key, site);
  }
  /// Stops waiting for the answers of sites that were asked at `last` or before.
  void let_answers_lapse(TimePoint last);

 private:
  void forget(const std::string& name, const SiteState& site);
  void note(const std::string& name, const SiteState& site);

  Sites sites_;
  SiteCounts counts_;
  std::set<std::pair<TimePoint, std::string>> owing_;  ///< with the time when each was asked
};

}  // namespace consilium::round
