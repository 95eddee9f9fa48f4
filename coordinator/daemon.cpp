#include "coordinator/daemon.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/files/files.h"
#include "common/files/state_dir.h"
#include "common/files/watched_file.h"
#include "common/logging/event.h"
#include "common/logging/logging.h"
#include "common/pki/authority.h"
#include "common/pki/trust.h"
#include "coordinator/journal/blob_store.h"
#include "coordinator/journal/job_numbers.h"
#include "coordinator/journal/memory_journal.h"
#include "coordinator/scheduler.h"
#include "coordinator/service/coordination_service.h"
#include "coordinator/service/spool_folder.h"
#include "coordinator/state_lock.h"

namespace consilium::coordinator {
namespace {

constexpr std::chrono::milliseconds kShutdownGrace{2000};
/// How often the daemon checks whether its configuration has changed.
constexpr std::chrono::seconds kLookEvery{2};
/// Largest certificate file, in bytes.
constexpr std::size_t kMaxPemBytes = 1 << 20;

Result<void> make_folder(const std::filesystem::path& folder) {
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) {
    return fail(ErrorCode::kPermissionDenied, files::state_dir_problem("coordinator", folder, problem.message()));
  }
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all, problem);
  return {};
}

std::filesystem::path spool_of(const CoordinatorConfig& config) { return config.state_dir / "spool"; }

/// Writes the port to a file, for callers who started the daemon with port 0.
Result<void> write_port(const std::filesystem::path& state_dir, int port) {
  return files::replace_file(state_dir / "port", std::to_string(port) + "\n");
}

}  // namespace

class Daemon::Impl {
 public:
  Impl(CoordinatorConfig config, const std::filesystem::path& file, StateLock lock, journal::BlobStore blobs,
       journal::JobNumbers numbers, std::unique_ptr<store::JobStore> jobs, std::shared_ptr<const pki::TrustStore> trust,
       pki::Identity self)
      : config_(std::move(config)),
        lock_(std::move(lock)),
        blobs_(std::move(blobs)),
        numbers_(std::move(numbers)),
        jobs_(std::move(jobs)),
        scheduler_({journal_, blobs_, numbers_, *jobs_, config_.max_running_jobs, std::move(trust), self,
                    config_.quotas, spool_of(config_)}),
        self_(std::move(self)),
        file_(file),
        watched_(file) {}

  Result<void> start() {
    CONSILIUM_ASSIGN(const std::vector<std::string> lacking, scheduler_.restore());
    if (!lacking.empty()) {
      logging::event(
          logging::Event::kStateFailed, {.job = lacking.front()},
          fmt::format("the models of these jobs are missing from {}: {}; no other file is removed from there",
                      (config_.state_dir / "blobs").string(), fmt::join(lacking, ", ")));
    } else if (const std::uint64_t freed = blobs_.remove_unretained(); freed > 0) {
      logging::event(logging::Event::kModelsRemoved, {},
                     "removed " + std::to_string(freed) + " bytes of models that no job needs any more");
    }
    service::ServiceConfig service;
    service.listen = config_.listen;
    service.root = config_.tls.root;
    service.certificate = config_.tls.certificate;
    service.key = config_.tls.key;
    service.revocation_list = config_.tls.revocation_list;
    service.spool = spool_of(config_);
    service.list_memory = config_.state_dir;
    service.consortium = self_.consortium;
    CONSILIUM_ASSIGN(service_, service::CoordinationService::start(service, scheduler_, blobs_));
    scheduler_.start(*service_);
    CONSILIUM_TRY(write_port(config_.state_dir, service_->port()));
    logging::event(logging::Event::kProgramListening, {}, "listening on port " + std::to_string(service_->port()));
    return {};
  }

  void run() {
    while (!wait()) look_at_file();
    logging::event(logging::Event::kProgramStopping, {}, "stopping");
    // Stop the scheduler first: it answers the handlers that wait for it, so the service has nothing left to wait for.
    scheduler_.stop();
    service_->shutdown(kShutdownGrace);
    service_.reset();
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    woken_.notify_all();
  }

  void reload() {
    const std::lock_guard lock(mutex_);
    reload_ = true;
    woken_.notify_all();
  }

 private:
  /// Waits until the configuration has to be checked, or stop() was called. Returns true if stop() was called.
  bool wait() {
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, kLookEvery, [this] { return stopped_ || reload_; });
    return stopped_;
  }

  /// Rereads the configuration if it has changed. If the new one can't be used, the old one stays in force.
  void look_at_file() {
    bool asked = false;
    {
      const std::lock_guard lock(mutex_);
      asked = std::exchange(reload_, false);
    }
    const bool changed = watched_.changed();
    if (file_.empty() || (!asked && !changed)) return;
    const auto read = read_coordinator_config(file_);
    if (!read) {
      return logging::event(logging::Event::kConfigRefused, {.more = {{"file", file_.string()}}},
                            read.error().message + "; the configuration read before stays in force");
    }
    logging::change(read->log);
    if (const std::vector<std::string> later = keys_for_restart(config_, *read); !later.empty()) {
      logging::event(logging::Event::kConfigNeedsRestart, {.more = {{"file", file_.string()}, {"keys", later}}},
                     fmt::format("{}: a restart is needed for: {}; the rest is in force now", file_.string(),
                                 fmt::join(later, ", ")));
    }
    scheduler_.change_limits(read->max_running_jobs, read->quotas);
    logging::event(logging::Event::kConfigReloaded, {.more = {{"file", file_.string()}}},
                   "read " + file_.string() +
                       " again; certificate, key, root and revocation list are read whenever "
                       "they change");
  }

  CoordinatorConfig config_;
  StateLock lock_;
  journal::BlobStore blobs_;
  journal::JobNumbers numbers_;
  std::unique_ptr<store::JobStore> jobs_;
  journal::MemoryJournal journal_;
  Scheduler scheduler_;
  pki::Identity self_;
  std::unique_ptr<service::CoordinationService> service_;
  const std::filesystem::path file_;  ///< coordinator.yaml; empty if it is unknown
  files::WatchedFile watched_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool stopped_ = false;
  bool reload_ = false;
};

Result<std::unique_ptr<Daemon>> Daemon::start(CoordinatorConfig config, const std::filesystem::path& file) {
  CONSILIUM_TRY(make_folder(config.state_dir));
  CONSILIUM_ASSIGN(StateLock lock, StateLock::acquire(config.state_dir));
  CONSILIUM_TRY(service::clear_spool(spool_of(config)));
  CONSILIUM_ASSIGN(journal::BlobStore blobs, journal::BlobStore::open(config.state_dir / "blobs"));
  CONSILIUM_ASSIGN(journal::JobNumbers numbers, journal::JobNumbers::open(config.state_dir / "job_numbers.json"));
  CONSILIUM_ASSIGN(auto jobs, store::JobStore::open(config.state_dir / "jobs.db"));
  CONSILIUM_ASSIGN(auto trust, pki::TrustStore::open(config.tls.root, config.tls.revocation_list,
                                                     pki::TrustOptions{config.state_dir}));
  CONSILIUM_ASSIGN(const std::string certificate, files::read_file(config.tls.certificate, kMaxPemBytes));
  CONSILIUM_ASSIGN(pki::Identity self, pki::identity_of_certificate(certificate));
  auto impl = std::make_unique<Impl>(std::move(config), file, std::move(lock), std::move(blobs), std::move(numbers),
                                     std::move(jobs), std::move(trust), std::move(self));
  CONSILIUM_TRY(impl->start());
  return std::unique_ptr<Daemon>(new Daemon(std::move(impl)));
}

Daemon::Daemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Daemon::~Daemon() = default;
void Daemon::run() { impl_->run(); }
void Daemon::stop() { impl_->stop(); }
void Daemon::reload() { impl_->reload(); }

}  // namespace consilium::coordinator
