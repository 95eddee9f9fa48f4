#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/job/job_signature.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"
#include "common/report/job_status.h"
#include "common/secagg/authenticator.h"
#include "coordinator/journal/blob_store.h"
#include "coordinator/journal/journal.h"
#include "coordinator/round/global_model.h"
#include "coordinator/round/group_runs.h"
#include "coordinator/round/round_machine.h"
#include "coordinator/round/session_sum.h"
#include "coordinator/round/site_gateway.h"
#include "coordinator/round/status_board.h"

namespace consilium::round {

/// Runs one job: passes events to the pure round machine (round_machine.h), records its effects in the journal, and
/// carries them out. It is the only owner of the job's state. Every call must come from the same thread.
class JobDriver {
 public:
  struct Parts {
    SiteGateway& gateway;
    journal::Journal& journal;
    journal::BlobStore& blobs;
    std::function<void()> changed;  ///< called after every change that watchers should see
    /// For a masked job: decides whose signatures count. Without it a masked job is refused unless it is simulated.
    std::shared_ptr<const secagg::Authenticator> authenticator = nullptr;
    /// Only for the simulator: sum without masks if there is no authenticator, which gives the same bytes.
    bool simulated = false;
    unsigned threads = 1;  ///< number of threads that remove masks
  };

  /// @param initial_model  digest of the blob with the initial weights, already in the store
  /// @param signature      the researcher's signature, which every offer carries
  static Result<std::unique_ptr<JobDriver>> create(std::string job_id, job::JobSignature signature,
                                                   const job::JobSpec& spec, const crypto::Digest& initial_model,
                                                   Parts parts);
  JobDriver(const JobDriver&) = delete;
  JobDriver& operator=(const JobDriver&) = delete;

  /// Returns true if this site may be offered the job: the job lists it, or lists no sites.
  [[nodiscard]] bool wants(const std::string& site) const { return round::wants(state_.rules, site); }

  /// Offers the job to its sites.
  /// @param with_slot  whether sessions may open; otherwise give_slot() allows them
  void begin(TimePoint now, bool with_slot = true) { handle(Begin{with_slot}, now); }
  void give_slot(TimePoint now) { handle(SlotGiven{}, now); }
  /// Opens no further session and begins no further attempt in the waiting session, until give_slot(). Call it only
  /// while the job waits (readiness()).
  void take_slot(TimePoint now) { handle(SlotTaken{}, now); }
  /// Returns whether the job could continue if it had a slot. Has a value only while the job waits between sessions, or
  /// in a session over whole groups in which no site is working.
  [[nodiscard]] std::optional<Readiness> readiness() const;
  /// Returns when a job that lacks sites fails.
  [[nodiscard]] std::optional<TimePoint> gives_up() const { return gives_up_at(state_); }
  [[nodiscard]] bool has_slot() const { return state_.has_slot; }
  void site_connected(const std::string& site, TimePoint now);  ///< offers the job
  void site_left(const std::string& site, TimePoint now) { connection_changed(SiteLeft{site}, site, now); }
  void job_answer(const std::string& site, const wire::JobAnswer& answer, TimePoint now);
  void progress(const std::string& site, const wire::SessionProgress& progress);
  /// Called when a vector has arrived completely and its digest has been verified. Refuses it if the session doesn't
  /// accept a vector from this site; the service passes the error on to the site.
  Result<void> vector_received(const std::string& site, const job::SessionKey& key, WordSource& words, TimePoint now);
  void partial_received(const std::string& site, const job::SessionKey& key, TimePoint now);
  /// Handles a site's message of the masking protocol.
  void masking_received(const std::string& site, const wire::Masking& step, TimePoint now);
  /// Mode masked: handles a step of the key agreement, and a site's signature on a total.
  void key_agreement_received(const std::string& site, const wire::KeyAgreement& step, TimePoint now);
  void endorsement_received(const std::string& site, const wire::Endorsement& endorsement, TimePoint now);
  void site_failed(const std::string& site, const job::SessionKey& key, const std::string& reason, TimePoint now);
  void stop(const std::string& reason, TimePoint now) { handle(Stop{reason}, now); }
  void tick(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> next_deadline() const;  ///< the time at which tick() is due

  /// Returns how many words the vector from this site must have, or an error if the session doesn't accept one. Asked
  /// before any byte is spooled.
  Result<std::uint64_t> expected_words(const std::string& site, const job::SessionKey& key) const;

  /// Returns true if sites of the job may fetch this blob: the model, or the total that they are to check.
  [[nodiscard]] bool offers(const crypto::Digest& blob) const;

  /// Returns the current status. Looks at every site if something has changed since the last call.
  [[nodiscard]] const report::JobStatus& status() const;
  /// Returns a counter that grows whenever a session opens or closes, a round is over, or the job ends: the changes
  /// that no watcher should miss.
  [[nodiscard]] std::uint64_t milestones() const { return milestones_; }
  [[nodiscard]] const job::JobSpec& spec() const { return spec_; }
  /// Returns, once the job has ended, the model of the last committed round, or of the best round if the job keeps
  /// that. The model stays retained in the store; the driver's owner is responsible for releasing it. Has no value
  /// before the end, or if no round was committed; all of the job's blobs are released by then.
  [[nodiscard]] const std::optional<crypto::Digest>& kept_model() const { return kept_model_; }
  [[nodiscard]] bool ended() const { return std::holds_alternative<Ended>(state_.phase); }

 private:
  JobDriver(std::string job_id, job::JobSignature signature, const job::JobSpec& spec, ParameterManifest manifest,
            const crypto::Digest& initial_model, Parts parts);

  /// Checks that the session is open to this site and has a sum to add its vector to.
  Result<void> check_open(const std::string& site, const job::SessionKey& key) const;
  /// Applies an event and the events that it leads to. Returns the reason if the event itself was refused.
  std::optional<Error> handle(Event event, TimePoint now);
  std::optional<Error> apply(const Event& event, TimePoint now);
  /// Applies queued events until none is left, then reports that the status has changed.
  void go_on(TimePoint now);
  void status_changed();
  /// Called when the site's stream has ended, a new one has replaced it, or the site declined the job. The site's work
  /// in progress is lost.
  void connection_changed(const Event& event, const std::string& site, TimePoint now);
  /// Returns true while the last committed round is still being evaluated.
  [[nodiscard]] bool evaluates() const;

  // Mode masked-threshold (job_driver_threshold.cpp).
  /// Carries out what the masking protocol decided. The consequences (a site fails, the session closes) may end the
  /// sum.
  void follow(secagg::Output output, TimePoint now);
  void settle_masks(TimePoint now);
  void take_masks_off(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> keys_due() const;
  void send_masking(const std::string& site, const secagg::CoordinatorMessage& message);
  /// Repeats the messages that a site may have missed if it came back during the last steps.
  void remind(const std::string& site);
  /// Removes the site from the masking protocol.
  void lose(const std::string& site, const job::SessionKey& key, const std::string& reason, TimePoint now);
  /// Returns why the sum came to nothing, followed by the sites that left it, each with its reason.
  [[nodiscard]] std::string with_lost_sites(const std::string& why) const;
  /// Tells the site that the session continues without it, and reports its failure to the round machine.
  void put_out(const std::string& site, const job::SessionKey& key, const std::string& reason, TimePoint now);

  // Mode masked (job_driver_groups.cpp).
  /// Sends messages, logs notes, and queues events.
  void deliver(GroupRuns::Output output);
  [[nodiscard]] bool ready(const std::string& site) const;
  /// Returns true if the site is ready() and the job has a slot that lets it work.
  [[nodiscard]] bool may_work(const std::string& site) const { return state_.has_slot && ready(site); }
  Result<void> group_vector_received(const std::string& site, const job::SessionKey& key, WordSource& words,
                                     TimePoint now);
  void open_groups(const OpenSession& action, TimePoint now);
  Result<void> close_groups(const CloseSum& action, TimePoint now);

  void carry_out(const OfferJob& action, TimePoint now);
  void carry_out(const OpenSession& action, TimePoint now);
  void carry_out(const CancelSession& action, TimePoint now);
  void carry_out(const UnmaskSum& action, TimePoint now);
  void carry_out(const CloseSum& action, TimePoint now);
  void carry_out(const DropSum& action, TimePoint now);
  void carry_out(const Publish& action, TimePoint now);
  void carry_out(const KeepBest& action, TimePoint now);
  void carry_out(const EndJob& action, TimePoint now);
  Result<void> open_sum(const OpenSession& action, std::vector<SessionSum::Group> groups, TimePoint now);
  Result<Committed> close(const CloseSum& action, aggregation::StreamingSum& sum, TimePoint now);
  void retire_sum();
  void release_total();
  void release_counted();

  std::string job_id_;
  job::JobSignature signature_;
  job::JobSpec spec_;
  std::string spec_text_;
  Parts parts_;
  bool masked_;  ///< mode masked-threshold with masked vectors; false if the job is simulated by its plain sum
  State state_;
  mutable StatusBoard board_;
  mutable bool board_is_old_ = true;  ///< the state has changed since the board last showed it
  std::uint64_t milestones_ = 0;
  GlobalModel model_;
  std::optional<GroupRuns> runs_;          ///< mode masked, which doesn't use sum_
  std::optional<crypto::Digest> total_;    ///< the blob that sites check; it is in the store
  std::optional<crypto::Digest> counted_;  ///< the census's total, kept if sites take class weights from it
  std::optional<SessionSum> sum_;
  std::optional<SessionSum> former_;  ///< the last sum of updates; the next one reuses its memory
  unsigned key_phase_ = 0;            ///< the phase of sum_
  TimePoint key_phase_since_{};
  std::map<std::string, std::string> lost_sites_;  ///< sites that left the masking protocol of sum_, and why
  std::deque<Event> follow_up_;                    ///< events that resulted from carrying out effects
  std::optional<crypto::Digest> kept_model_;
  bool journal_failed_ = false;
};

}  // namespace consilium::round
