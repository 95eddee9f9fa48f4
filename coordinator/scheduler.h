#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/pki/trust.h"
#include "common/process/event_queue.h"
#include "coordinator/admission/admission.h"
#include "coordinator/journal/blob_store.h"
#include "coordinator/journal/job_numbers.h"
#include "coordinator/journal/journal.h"
#include "coordinator/round/job_driver.h"
#include "coordinator/service/coordination_service.h"

namespace consilium::coordinator {

/// Owns every job on one thread: the queue, which jobs run, which sites are connected. gRPC's threads only post to it
/// (or wait for its answer); what watchers see are copies under a lock of their own.
class Scheduler final : public service::CoordinationHandler {
 public:
  struct Parts {
    journal::Journal& journal;
    journal::BlobStore& blobs;
    journal::JobNumbers& numbers;
    std::size_t max_running_jobs = 1;
    std::shared_ptr<const pki::TrustStore> trust;  ///< of the sites' and researchers' certificates
    pki::Identity self;                            ///< whom researchers sign their jobs for
  };

  explicit Scheduler(Parts parts);
  ~Scheduler() override;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Starts the owner's thread; messages to sites go through `gateway`, which outlives stop().
  void start(round::SiteGateway& gateway);
  /// Ends the thread; calls that wait are answered with kCancelled.
  void stop();

  void site_connected(const std::string& site, const wire::SiteHello& hello) override;
  void site_message(const std::string& site, wire::SiteMessage message) override;
  void site_disconnected(const std::string& site) override;
  Result<std::uint64_t> expected_words(const std::string& site, const job::SessionKey& key) override;
  Result<void> vector_received(const std::string& site, const job::SessionKey& key,
                               const std::filesystem::path& file) override;
  bool may_fetch(const std::string& site, const crypto::Digest& digest) override;

  Result<std::string> submit(const std::string& researcher, const std::string& spec_text,
                             const job::JobSignature& signature) override;
  std::vector<report::JobStatus> jobs() override;
  Result<Versioned> watch(const std::string& job_id, std::uint64_t seen, std::chrono::milliseconds timeout) override;
  Result<std::string> job_spec(const std::string& job_id) override;
  Result<void> stop(const pki::Identity& by, const std::string& job_id) override;
  std::vector<service::SiteStatus> sites() override;

 private:
  using Time = round::Clock::time_point;

  struct Job {
    std::string id;
    std::string researcher;
    std::string spec_text;
    std::unique_ptr<round::JobDriver> driver;
    bool running = false;
  };
  struct Site {
    bool connected = false;
    wire::SiteHello hello;
  };
  /// What readers may see without waiting for the owner.
  struct Published {
    std::uint64_t version = 0;
    report::JobStatus status;
    std::string spec_text;
  };

  void own();
  void start_queued(Time now);
  void retire_ended(Time now);
  void publish(const std::string& job_id, const report::JobStatus& status);
  Result<std::string> enqueue(const std::string& researcher, const job::JobSignature& signature,
                              admission::AdmittedJob admitted);
  Job* find(const std::string& job_id);
  [[nodiscard]] static admission::Occupancy occupancy_of(const Job& job);
  /// Runs a function on the owner's thread and returns what it returns.
  template <class T>
  Result<T> ask(std::function<Result<T>()> question);

  Parts parts_;
  round::SiteGateway* gateway_ = nullptr;
  process::EventQueue<std::function<void()>> queue_;
  std::thread owner_;

  // The owner's alone.
  std::vector<std::unique_ptr<Job>> jobs_;  ///< in the order of their submission
  std::map<std::string, Site> sites_;

  mutable std::mutex published_mutex_;
  std::condition_variable published_changed_;
  std::map<std::string, Published> published_;
  std::vector<std::string> published_order_;
  bool stopping_ = false;
};

}  // namespace consilium::coordinator
