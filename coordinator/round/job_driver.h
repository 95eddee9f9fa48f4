#pragma once

#include <cstdint>
#include <deque>
#include <functional>
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

/// Runs one job: feeds events to the pure round machine (round_machine.h), journals its effects and carries them out.
/// The single owner of the job's state; every call comes from one thread.
class JobDriver {
 public:
  struct Parts {
    SiteGateway& gateway;
    journal::Journal& journal;
    journal::BlobStore& blobs;
    std::function<void()> changed;  ///< after every change that someone watching would like to see
    /// Of a masked job: whose signatures count. Without it a masked job is refused, unless it is simulated.
    std::shared_ptr<const secagg::Authenticator> authenticator = nullptr;
    /// The simulator alone: sum without masks where there is no authenticator, which gives the same bytes.
    bool simulated = false;
    unsigned threads = 1;  ///< that take masks off
  };

  /// @param initial_model digest of the blob with the initial weights, already in the store
  /// @param signature     the researcher's, which every offer carries
  static Result<std::unique_ptr<JobDriver>> create(std::string job_id, job::JobSignature signature,
                                                   const job::JobSpec& spec, const crypto::Digest& initial_model,
                                                   Parts parts);
  JobDriver(const JobDriver&) = delete;
  JobDriver& operator=(const JobDriver&) = delete;

  /// May this site be offered the job: it is listed, or the job lists none.
  [[nodiscard]] bool wants(const std::string& site) const { return round::wants(state_.rules, site); }

  /// Offers the job to its sites.
  /// @param with_slot  sessions may open; else give_slot() lets them
  void begin(TimePoint now, bool with_slot = true) { handle(Begin{with_slot}, now); }
  void give_slot(TimePoint now) { handle(SlotGiven{}, now); }
  /// Only while the job waits (readiness()): opens no further session, and lets nobody work in the one that waits,
  /// until give_slot().
  void take_slot(TimePoint now) { handle(SlotTaken{}, now); }
  /// Whether the job could go on, where it waits between sessions, or in a session over whole groups where nobody
  /// works.
  [[nodiscard]] std::optional<Readiness> readiness() const;
  /// When a job that lacks sites fails.
  [[nodiscard]] std::optional<TimePoint> gives_up() const { return gives_up_at(state_); }
  [[nodiscard]] bool has_slot() const { return state_.has_slot; }
  void site_connected(const std::string& site, TimePoint now);  ///< offers the job
  void site_left(const std::string& site, TimePoint now) { connection_changed(SiteLeft{site}, site, now); }
  void job_answer(const std::string& site, const wire::JobAnswer& answer, TimePoint now);
  void progress(const std::string& site, const wire::SessionProgress& progress);
  /// A vector arrived whole; its digest is verified. Refused (and the site told why) where the session isn't open to
  /// it.
  Result<void> vector_received(const std::string& site, const job::SessionKey& key, WordSource& words, TimePoint now);
  void partial_received(const std::string& site, const job::SessionKey& key, TimePoint now);
  /// A step of secure aggregation.
  void masking_received(const std::string& site, const wire::Masking& step, TimePoint now);
  /// Mode masked: a step of the agreement on the job's key, and what a site signs of a total.
  void key_agreement_received(const std::string& site, const wire::KeyAgreement& step, TimePoint now);
  void endorsement_received(const std::string& site, const wire::Endorsement& endorsement, TimePoint now);
  void site_failed(const std::string& site, const job::SessionKey& key, const std::string& reason, TimePoint now);
  void stop(const std::string& reason, TimePoint now) { handle(Stop{reason}, now); }
  void tick(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> next_deadline() const;  ///< when tick() is due

  /// Does the session take a vector from this site, and of how many words: asked before any byte is spooled.
  Result<std::uint64_t> expected_words(const std::string& site, const job::SessionKey& key) const;

  /// May a site of the job fetch this blob: the model, or the total that is to be checked?
  [[nodiscard]] bool offers(const crypto::Digest& blob) const;

  /// The status now. Walks all sites where something has changed since it was asked for last.
  [[nodiscard]] const report::JobStatus& status() const;
  /// Grows whenever a session opens or closes, a round is over, or the job ends: what nobody who watches should miss.
  [[nodiscard]] std::uint64_t milestones() const { return milestones_; }
  [[nodiscard]] const job::JobSpec& spec() const { return spec_; }
  /// The model of the last committed round, or of the best one where the job keeps that, once the job has ended: it
  /// stays retained in the store, and whoever owns
  /// the driver releases it. Nothing before the end, or where no round was committed; its blobs are released by then.
  [[nodiscard]] const std::optional<crypto::Digest>& kept_model() const { return kept_model_; }
  [[nodiscard]] bool ended() const { return std::holds_alternative<Ended>(state_.phase); }

 private:
  JobDriver(std::string job_id, job::JobSignature signature, const job::JobSpec& spec, ParameterManifest manifest,
            const crypto::Digest& initial_model, Parts parts);

  /// Is the session open to this site, with a sum to take its vector?
  Result<void> check_open(const std::string& site, const job::SessionKey& key) const;
  /// Applies an event and whatever follows from it. Returns why the event itself was refused, if it was.
  std::optional<Error> handle(Event event, TimePoint now);
  std::optional<Error> apply(const Event& event, TimePoint now);
  /// Applies what has followed, until nothing more follows, and tells that the status has changed.
  void go_on(TimePoint now);
  void status_changed();
  /// The site's stream has ended, a new one has taken its place, or it declined the job: what it was at is lost.
  void connection_changed(const Event& event, const std::string& site, TimePoint now);
  /// Does the round that was committed last still wait for its metrics?
  [[nodiscard]] bool evaluates() const;

  // Mode masked-threshold (job_driver_threshold.cpp).
  /// Carries out what the masks' protocol decided. What it leads to (a site fails, the session closes) may end the sum.
  void follow(secagg::Output output, TimePoint now);
  void settle_masks(TimePoint now);
  void take_masks_off(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> keys_due() const;
  void send_masking(const std::string& site, const secagg::CoordinatorMessage& message);
  /// Tells a site that came back during the last steps again what it may have missed.
  void remind(const std::string& site);
  /// The site is out of the session, and so of its masks.
  void lose(const std::string& site, const job::SessionKey& key, TimePoint now);
  /// Tells the site that the session goes on without it, and the machine too.
  void put_out(const std::string& site, const job::SessionKey& key, const std::string& reason, TimePoint now);

  // Mode masked (job_driver_groups.cpp).
  /// Sends messages, logs notes, and queues events.
  void deliver(GroupRuns::Output output);
  [[nodiscard]] bool ready(const std::string& site) const;
  /// ready(), and the job has a slot to let it work.
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
  bool masked_;  ///< mode masked-threshold, and vectors come masked: not where it is simulated by its plain sum
  State state_;
  mutable StatusBoard board_;
  mutable bool board_is_old_ = true;  ///< the state has changed since it was shown
  std::uint64_t milestones_ = 0;
  GlobalModel model_;
  std::optional<GroupRuns> runs_;          ///< mode masked; sum_ isn't used then
  std::optional<crypto::Digest> total_;    ///< the blob that sites check, in the store
  std::optional<crypto::Digest> counted_;  ///< the census's, where sites take class weights from it
  std::optional<SessionSum> sum_;
  std::optional<SessionSum> former_;  ///< the last sum of updates: the next one takes its memory
  unsigned key_phase_ = 0;            ///< of sum_
  TimePoint key_phase_since_{};
  std::deque<Event> follow_up_;  ///< what carrying effects out led to
  std::optional<crypto::Digest> kept_model_;
  bool journal_failed_ = false;
};

}  // namespace consilium::round
