#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/job/job_spec.h"
#include "common/report/job_status.h"
#include "common/wire/messages.h"
#include "coordinator/round/round_machine.h"

namespace consilium::round {

/// Returns the description of a job's end for sites and watchers: "finished", "stopped: ...", "failed: ...".
[[nodiscard]] std::string outcome_text(Outcome outcome, const std::string& message);

/// Builds the JobStatus of one job and the record of the current round. Events are cheap: only show(), which must be
/// called before the status is read, collects what each site does.
class StatusBoard {
 public:
  StatusBoard(const std::string& job_id, const job::JobSpec& spec, const crypto::Digest& initial_model);

  [[nodiscard]] const report::JobStatus& status() const { return status_; }

  void progress(const std::string& site, wire::SitePhase phase);
  /// Called when a session begins. Counts the model's bytes for every site of the cohort that doesn't have it yet.
  void opened(const OpenSession& action, const crypto::Digest& model, std::uint64_t model_bytes, TimePoint now);
  /// Adds bytes that were transferred for the open session.
  void add_bytes(std::uint64_t bytes);

  struct Training {
    double loss = 0.0;
    std::uint64_t clipped = 0;
    std::uint64_t coordinates = 0;
    double seconds_to_commit = 0.0;
    crypto::Digest model{};
  };
  void trained(const CloseSum& action, const Training& training, TimePoint now);
  /// Called when the round's model becomes the latest: immediately, or in mode masked once enough sites have signed it.
  void published(const crypto::Digest& model, TimePoint now);
  /// Records the model that the job ended with, which may be that of an earlier round.
  void kept(const crypto::Digest& model) { status_.model = model; }
  struct Evaluation {
    task::Metrics federated;
    std::optional<task::Metrics> alone;  ///< of the sites' own models
  };
  void evaluated(const CloseSum& action, Evaluation evaluation, const std::map<std::string, task::Metrics>& by_site,
                 TimePoint now);
  void evaluation_missed(const Answers& answers, const std::string& reason);
  /// Moves the record of a round that is over, evaluation included, to the history.
  void finish_round();
  /// Forgets the record of a round whose total the sites didn't sign, because it isn't in the model.
  void withdraw_round();

  /// Mode masked: sets the description of what the session is waiting for; "" if it waits for nothing.
  void waits(std::string text) { waiting_ = std::move(text); }
  /// Updates phase, detail, sites and ETA from the state. Looks at every site.
  void show(const State& state);

 private:
  void show_phase(const State& state);
  [[nodiscard]] std::string activity_of(const std::string& site) const;

  report::JobStatus status_;
  std::optional<report::RoundRecord> finished_;  ///< training is done; its evaluation may not be
  std::uint64_t training_bytes_ = 0;             ///< of all attempts at the round
  bool evaluating_ = false;
  std::optional<TimePoint> round_opened_;
  std::uint64_t round_started_seconds_ = 0;  ///< Unix time
  TimePoint evaluation_opened_{};
  std::map<std::string, crypto::Digest> holds_;  ///< the model that each site fetched last
  std::map<std::string, std::string> activity_;  ///< what each site of the current cohort is doing
  std::string waiting_;
  double seconds_ = 0.0;  ///< of all rounds in the history, evaluations included
};

}  // namespace consilium::round
