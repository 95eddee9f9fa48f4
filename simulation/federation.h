#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/error/error.h"
#include "common/report/job_status.h"
#include "common/report/masking_cost.h"
#include "coordinator/journal/journal.h"
#include "coordinator/round/job_driver.h"
#include "simulation/masked_groups.h"
#include "simulation/masked_sites.h"
#include "simulation/worker_pool.h"

namespace consilium::simulation {

/// Runs one job over simulated sites. It uses the coordinator's own driver, with a gateway that turns messages to sites
/// into tasks of a worker pool. For the driver's deadlines time stands still while tasks are running, so that the
/// number of workers changes nothing. Single-threaded.
class Federation final : public round::SiteGateway {
 public:
  struct Parts {
    WorkerPool& pool;
    journal::Journal& journal;
    journal::BlobStore& blobs;
    std::function<void(const report::JobStatus&)> changed{};
  };
  struct Plan {
    std::string job_id;
    std::shared_ptr<const JobContext> job;
    crypto::Digest initial_model{};  ///< in the blob store
    std::vector<SimulatedSite> sites;
    double stragglers = 0.0;  ///< share of each cohort, 0 to 1
    /// Decides whose signatures count, if the sites' side of secure aggregation is run. If null, sums are plain, which
    /// gives the same bytes.
    std::shared_ptr<const secagg::Authenticator> authenticator = nullptr;
    MaskedSites* masked = nullptr;   ///< runs the sites' side in mode `masked-threshold`
    MaskedGroups* groups = nullptr;  ///< runs the sites' side in mode `masked`
  };

  static Result<std::unique_ptr<Federation>> create(Plan plan, Parts parts);

  /// Offers the job to every site. All sites accept.
  void begin();
  /// Handles the outcome of one of this job's tasks.
  void take(Outcome outcome);
  /// Ends the job after the current round, or immediately if none is running.
  void finish_round_and_stop(std::string reason);

  [[nodiscard]] bool ended() const { return driver_->ended(); }
  [[nodiscard]] const report::JobStatus& status() const { return driver_->status(); }
  [[nodiscard]] const crypto::Digest& initial_model() const { return plan_.initial_model; }
  /// Returns what each step of secure aggregation has cost so far; empty without it.
  [[nodiscard]] const std::vector<report::MaskingCost>& masking_costs() const { return costs_; }

  /// Returns why sites' results couldn't be used, one sentence for each site and sum. A site's daemon writes this only
  /// to its own log; in a simulation all sites belong to the researcher.
  [[nodiscard]] const std::vector<std::string>& unusable() const { return unusable_; }

  void send(const std::string& site, wire::CoordinatorMessage message) override;

 private:
  Federation(Plan plan, Parts parts) : plan_(std::move(plan)), parts_(std::move(parts)) {}
  [[nodiscard]] round::Clock::time_point now() const { return round::Clock::now() + skipped_; }
  /// Reports the status immediately after a milestone, and otherwise as often as a view can show it.
  void status_changed();
  void settle();
  void answer_offers();
  void post_sessions();
  void pass_time();
  /// Drops the site out for the rest of the session.
  void silence(const std::string& site, const job::SessionKey& key, secagg::Phase step);
  void begin_masks(const job::SessionKey& key, const job::RoundOrder& order, const std::string& site);
  void pass_masking();
  void deliver(Outcome outcome);
  /// Adds the time that `work` takes and the bytes of its message to a step's cost.
  template <class Work>
  auto count(std::string_view step, std::uint64_t bytes, Work work) {
    const auto started = std::chrono::steady_clock::now();
    auto outcome = work();
    report::MaskingCost& cost = cost_of(step);
    ++cost.messages;
    cost.bytes += bytes;
    cost.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return outcome;
  }
  report::MaskingCost& cost_of(std::string_view step);

  // Mode masked (federation_groups.cpp). A site's task is posted once its masks are agreed on, and never more tasks
  // than the workers can take. Therefore vectors wait only for the loop, and few groups have an unfinished sum at any
  // time.
  /// Begins the attempt of the first session that the driver has offered.
  void begin_attempt();
  /// Handles the first message that the driver sent to a site.
  void answer_message();
  void answer(const std::string& site, const wire::KeyAgreement& step);
  void answer(const std::string& site, const wire::Masking& step);
  void answer(const std::string& site, const wire::GroupTotal& total);
  void answer(const std::string& site, const wire::RoundCommitted& commit);
  /// Posts the first waiting task whose site has its masks. Returns true if there was such a task and room for it.
  bool post_next();
  void upload(Outcome outcome);
  void drop_out(const std::string& site, const job::SessionKey& key, secagg::Phase step);

  struct Session {
    SimulatedSite site;
    wire::SessionOffer offer;
  };

  Plan plan_;
  Parts parts_;
  std::unique_ptr<round::JobDriver> driver_;
  std::vector<std::string> offered_;                            ///< sites that haven't answered the job's offer yet
  std::deque<Session> sessions_;                                ///< sent by the driver, not posted yet
  std::set<std::pair<std::string, job::SessionKey>> underway_;  ///< posted
  std::deque<std::pair<std::string, wire::Masking>> masking_;   ///< steps that the driver sent to sites
  std::vector<Outcome> unmasked_;                               ///< finished before their masks were agreed on
  using GroupMessage = std::variant<wire::KeyAgreement, wire::Masking, wire::GroupTotal, wire::RoundCommitted>;
  std::deque<std::pair<std::string, GroupMessage>> messages_;  ///< mode masked: sent by the driver, not answered yet
  std::deque<Task> waiting_;                                   ///< mode masked: begun, not posted yet
  std::vector<report::MaskingCost> costs_;                     ///< in the order of the steps
  std::vector<std::string> unusable_;
  round::Clock::duration skipped_{};           ///< total waiting time that was skipped
  std::map<std::string, std::size_t> places_;  ///< position of each site in the plan
  std::uint64_t told_milestones_ = 0;
  std::chrono::steady_clock::time_point told_{};
  std::optional<std::string> stop_reason_;
  std::uint32_t last_round_ = 0;  ///< the last round whose training was begun
};

}  // namespace consilium::simulation
