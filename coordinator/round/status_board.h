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

/// What sites and watchers are told of a job's end: "finished", "stopped: ...", "failed: ...".
[[nodiscard]] std::string outcome_text(Outcome outcome, const std::string& message);

/// Makes the JobStatus of one job, and the record of the round under way. Events cost little: what each site does is
/// put together in show() alone, which whoever reads the status calls before.
class StatusBoard {
 public:
  StatusBoard(const std::string& job_id, const job::JobSpec& spec, const crypto::Digest& initial_model);

  [[nodiscard]] const report::JobStatus& status() const { return status_; }

  void progress(const std::string& site, wire::SitePhase phase);
  /// A session begins: its cohort gets the model, where it doesn't have it yet.
  void opened(const OpenSession& action, const crypto::Digest& model, std::uint64_t model_bytes, TimePoint now);
  /// Words moved for the session that is open.
  void add_bytes(std::uint64_t bytes);

  struct Training {
    double loss = 0.0;
    std::uint64_t clipped = 0;
    std::uint64_t coordinates = 0;
    double seconds_to_commit = 0.0;
    crypto::Digest model{};
  };
  void trained(const CloseSum& action, const Training& training, TimePoint now);
  /// The round's model is the latest: at once, or in mode masked when enough sites have signed it.
  void published(const crypto::Digest& model, TimePoint now);
  /// The job has ended with this model, which may be that of an earlier round.
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
  /// Forgets the record of a round whose total the sites didn't sign: it isn't in the model.
  void withdraw_round();

  /// Mode masked: whom the session waits for, in words; "" for nobody.
  void waits(std::string text) { waiting_ = std::move(text); }
  /// Brings phase, detail, sites and ETA in line with the state. Looks at every site.
  void show(const State& state);

 private:
  void show_phase(const State& state);
  [[nodiscard]] std::string activity_of(const std::string& site) const;

  report::JobStatus status_;
  std::optional<report::RoundRecord> finished_;  ///< trained, its evaluation perhaps under way
  std::uint64_t training_bytes_ = 0;             ///< of all attempts at the round
  bool evaluating_ = false;
  std::optional<TimePoint> round_opened_;
  TimePoint evaluation_opened_{};
  std::map<std::string, crypto::Digest> holds_;  ///< the model that each site has fetched last
  std::map<std::string, std::string> activity_;  ///< of the cohort under way
  std::string waiting_;
  double seconds_ = 0.0;  ///< of all rounds in the history, evaluations included
};

}  // namespace consilium::round
