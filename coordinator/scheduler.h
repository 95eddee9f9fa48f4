#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/pki/trust.h"
#include "common/process/event_queue.h"
#include "coordinator/admission/admission.h"
#include "coordinator/admission/quotas.h"
#include "coordinator/admission/slots.h"
#include "coordinator/job_list.h"
#include "coordinator/journal/blob_store.h"
#include "coordinator/journal/job_numbers.h"
#include "coordinator/journal/journal.h"
#include "coordinator/round/job_driver.h"
#include "coordinator/scheduled_job.h"
#include "coordinator/service/coordination_service.h"
#include "coordinator/store/job_store.h"

namespace consilium::coordinator {

/// How long a job that suddenly lacks sites keeps its slot. A briefly broken connection shouldn't put a job behind
/// another one.
inline constexpr std::chrono::seconds kSlotGrace{30};
/// How long after a failed write a job's record is written again.
inline constexpr std::chrono::seconds kSaveAgain{5};
/// How often a job's changes are published to researchers while its sites keep the coordinator busy. Publishing a job
/// takes time in proportion to its number of sites, whereas handling an event of one site doesn't.
inline constexpr std::chrono::milliseconds kPublishEvery{100};

/// Owns every job on one thread; it decides which jobs hold a slot (admission/slots.h), and knows which sites are
/// connected. A job is offered to its sites as soon as it is submitted, so that hospitals can decide while it waits.
/// gRPC's threads only post to the owner's thread (or wait for its answer); researchers see copies, in a JobList.
class Scheduler final : public service::CoordinationHandler {
 public:
  struct Parts {
    journal::Journal& journal;
    journal::BlobStore& blobs;
    journal::JobNumbers& numbers;
    store::JobStore& jobs;  ///< what outlives a restart
    std::size_t max_running_jobs = 1;
    std::shared_ptr<const pki::TrustStore> trust;  ///< verifies the certificates of sites and researchers
    pki::Identity self;                            ///< the coordinator that researchers sign their jobs for
    admission::Quotas quotas{};
    std::filesystem::path spool{};  ///< the service's spool folder
    std::chrono::milliseconds slot_grace = kSlotGrace;
  };

  explicit Scheduler(Parts parts);
  ~Scheduler() override;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Lists the jobs of earlier runs and retains their models. A job that was at work has failed, because the sites'
  /// part of its round is lost. Call it before start(), and before anything removes blobs.
  /// @return the jobs whose model is missing from the disk; nothing should be removed from there then
  Result<std::vector<std::string>> restore();
  /// Starts the owner's thread. Messages to sites go through `gateway`, which must exist until stop() returns.
  void start(round::SiteGateway& gateway);
  /// Ends the thread. Answers waiting calls with kCancelled.
  void stop();

  /// Changes how many jobs can run and how many a researcher can have. Running jobs go on. Thread-safe.
  void change_limits(std::size_t max_running_jobs, const admission::Quotas& quotas);

  void site_connected(const std::string& site, const wire::SiteHello& hello) override;
  void site_message(const std::string& site, wire::SiteMessage message) override;
  void site_disconnected(const std::string& site) override;
  Result<std::uint64_t> expected_words(const std::string& site, const job::SessionKey& key) override;
  Result<void> vector_received(const std::string& site, const job::SessionKey& key,
                               const std::filesystem::path& file) override;
  Result<void> may_fetch(const pki::Identity& peer, const crypto::Digest& digest) override;

  Result<void> expect_weights(const std::string& researcher, std::uint64_t bytes) override;
  Result<void> weights_received(const std::string& researcher, const crypto::Digest& digest,
                                std::uint64_t bytes) override;
  Result<std::string> submit(const std::string& researcher, const std::string& spec_text,
                             const job::JobSignature& signature) override;
  std::vector<report::JobStatus> jobs(const pki::Identity& caller) override;
  Result<Versioned> watch(const pki::Identity& caller, const std::string& job_id, std::uint64_t seen,
                          std::chrono::milliseconds timeout) override;
  Result<std::string> job_spec(const pki::Identity& caller, const std::string& job_id) override;
  Result<void> stop(const pki::Identity& caller, const std::string& job_id) override;
  Result<void> remove(const pki::Identity& caller, const std::string& job_id) override;
  std::vector<service::SiteStatus> sites() override;

 private:
  using Time = round::Clock::time_point;

  struct Site {
    bool connected = false;
    wire::SiteHello hello;
  };

  void own();
  [[nodiscard]] std::optional<Time> next_deadline() const;
  /// Called after an event. Retires jobs that have ended and reassigns slots, until nothing changes any more.
  void settle(Time now);
  bool retire_ended();
  /// Takes the slots of jobs that have lacked sites for too long, and gives free slots to jobs that can work.
  void assign_slots(Time now);
  [[nodiscard]] bool slots_may_change(Time now) const;
  void take_idle_slots(Time now);
  /// Shows researchers the job as it is now. Rounds, and the end of a job, are on the disk before anybody sees them.
  void publish(ScheduledJob& job);
  Result<void> save(const ScheduledJob& job, const report::JobStatus& status);
  /// Publishes what has changed: immediately if the owner's queue is empty, otherwise every kPublishEvery.
  void publish_changes(Time now);
  Result<std::string> enqueue(const std::string& researcher, const job::JobSignature& signature,
                              admission::AdmittedJob admitted);
  /// Admits a job and retains its initial model; the caller releases it.
  Result<admission::AdmittedJob> admit(const std::string& spec_text);
  Result<void> check_weights(const std::string& researcher, const admission::AdmittedJob& admitted) const;
  Result<std::unique_ptr<ScheduledJob>> make_job(const std::string& researcher, const job::JobSignature& signature,
                                                 const admission::AdmittedJob& admitted);
  ScheduledJob* find(const std::string& job_id);
  /// Runs a function on the owner's thread and returns what it returns.
  template <class T>
  Result<T> ask(std::function<Result<T>()> question);

  Parts parts_;
  round::SiteGateway* gateway_ = nullptr;
  JobList list_;
  process::EventQueue<std::function<void()>> queue_;
  std::thread owner_;

  // Used only on the owner's thread.
  std::vector<std::unique_ptr<ScheduledJob>> jobs_;  ///< jobs that haven't ended, in order of submission
  Time published_{};                                 ///< when changes were last published
  bool jobs_changed_ = false;                        ///< a job was added or removed since slots were last assigned
  std::map<std::string, Site> sites_;
  admission::UploadedWeights weights_;
};

}  // namespace consilium::coordinator
