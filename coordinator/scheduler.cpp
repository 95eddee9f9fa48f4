#include "coordinator/scheduler.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <future>
#include <type_traits>
#include <utility>

#include "common/job/job_text.h"
#include "common/secagg/roster_authenticator.h"
#include "coordinator/spooled_words.h"

namespace consilium::coordinator {
namespace {

Error shutting_down() { return {ErrorCode::kCancelled, "the coordinator is shutting down"}; }

}  // namespace

Scheduler::Scheduler(Parts parts) : parts_(parts) {}
Scheduler::~Scheduler() { stop(); }

void Scheduler::start(round::SiteGateway& gateway) {
  gateway_ = &gateway;
  owner_ = std::thread([this] { own(); });
}

void Scheduler::stop() {
  {
    const std::scoped_lock lock(published_mutex_);
    stopping_ = true;
  }
  published_changed_.notify_all();
  queue_.close();
  if (owner_.joinable()) owner_.join();
}

void Scheduler::own() {
  while (!queue_.closed()) {
    std::optional<Time> deadline;
    for (const auto& job : jobs_) {
      const auto due = job->running ? job->driver->next_deadline() : std::nullopt;
      if (due && (!deadline || *due < *deadline)) deadline = due;
    }
    if (auto task = queue_.take(deadline)) (*task)();
    const Time now = round::Clock::now();
    for (const auto& job : jobs_) {
      const auto due = job->running ? job->driver->next_deadline() : std::nullopt;
      if (due && *due <= now) job->driver->tick(now);
    }
    retire_ended(now);
  }
}

template <class T>
Result<T> Scheduler::ask(std::function<Result<T>()> question) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  std::future<Result<T>> answer = promise->get_future();
  // Where the queue drops the task, the promise breaks and the waiting caller learns that it's over.
  const bool taken = queue_.post([promise, question = std::move(question)] { promise->set_value(question()); });
  promise.reset();
  if (!taken) return fail(shutting_down());
  try {
    return answer.get();
  } catch (const std::future_error&) {
    return fail(shutting_down());
  }
}

Scheduler::Job* Scheduler::find(const std::string& job_id) {
  const auto found = std::ranges::find_if(jobs_, [&](const auto& job) { return job->id == job_id; });
  return found == jobs_.end() ? nullptr : found->get();
}

admission::Occupancy Scheduler::occupancy_of(const Job& job) { return {job.id, job.driver->spec().federation.sites}; }

void Scheduler::start_queued(Time now) {
  std::vector<admission::Occupancy> waiting;
  std::vector<admission::Occupancy> running;
  for (const auto& job : jobs_) (job->running ? running : waiting).push_back(occupancy_of(*job));
  for (const std::string& job_id : admission::choose_startable(waiting, running, parts_.max_running_jobs)) {
    Job& job = *find(job_id);
    job.running = true;
    spdlog::info("job {}: started", job.id);
    job.driver->begin(now);
    for (const auto& [name, site] : sites_) {
      if (site.connected) job.driver->site_connected(name, now);
    }
  }
}

void Scheduler::retire_ended(Time now) {
  const auto ended = std::erase_if(jobs_, [](const std::unique_ptr<Job>& job) {
    if (!job->driver->ended()) return false;
    spdlog::info("job {}: {}", job->id, job->driver->status().detail);
    return true;
  });
  if (ended > 0) start_queued(now);
}

void Scheduler::publish(const std::string& job_id, const report::JobStatus& status) {
  {
    const std::scoped_lock lock(published_mutex_);
    Published& published = published_[job_id];
    if (status.phase == report::JobPhase::kTraining &&
        (published.status.phase != status.phase || published.status.round != status.round)) {
      spdlog::info("job {}: round {} of {}", job_id, status.round, status.rounds);
    }
    ++published.version;
    published.status = status;
  }
  published_changed_.notify_all();
}

void Scheduler::site_connected(const std::string& site, const wire::SiteHello& hello) {
  queue_.post([this, site, hello] {
    spdlog::info("site {}: connected ({})", site, hello.software);
    sites_[site] = {true, hello};
    const Time now = round::Clock::now();
    for (const auto& job : jobs_) {
      if (job->running) job->driver->site_connected(site, now);
    }
  });
}

void Scheduler::site_disconnected(const std::string& site) {
  queue_.post([this, site] {
    spdlog::warn("site {}: disconnected", site);
    sites_[site].connected = false;
    const Time now = round::Clock::now();
    for (const auto& job : jobs_) {
      if (job->running) job->driver->site_left(site, now);
    }
  });
}

void Scheduler::site_message(const std::string& site, wire::SiteMessage message) {
  queue_.post([this, site, message = std::move(message)] {
    const Time now = round::Clock::now();
    const auto driver_of = [this](const std::string& job_id) {
      Job* job = find(job_id);
      return job != nullptr && job->running ? job->driver.get() : nullptr;
    };
    std::visit(
        [&](const auto& said) {
          using Message = std::decay_t<decltype(said)>;
          if constexpr (std::is_same_v<Message, wire::SiteHello>) {
            sites_[site].hello = said;
          } else if constexpr (std::is_same_v<Message, wire::JobAnswer>) {
            if (said.consent == wire::JobConsent::kDeclined)
              spdlog::warn("job {}: site {} declined: {}", said.job_id, site, said.reason);
            if (said.consent == wire::JobConsent::kWaits)
              spdlog::info("job {}: waits for approval at {}", said.job_id, site);
            if (auto* driver = driver_of(said.job_id)) driver->job_answer(site, said, now);
          } else if constexpr (std::is_same_v<Message, wire::SessionProgress>) {
            if (auto* driver = driver_of(said.key.job_id)) driver->progress(site, said);
          } else if constexpr (std::is_same_v<Message, wire::SessionPartial>) {
            if (auto* driver = driver_of(said.key.job_id)) driver->partial_received(site, said.key, now);
          } else if constexpr (std::is_same_v<Message, wire::Masking>) {
            if (auto* driver = driver_of(said.key.job_id)) driver->masking_received(site, said, now);
          } else if constexpr (std::is_same_v<Message, wire::KeyAgreement>) {
            if (auto* driver = driver_of(said.job_id)) driver->key_agreement_received(site, said, now);
          } else if constexpr (std::is_same_v<Message, wire::Endorsement>) {
            if (auto* driver = driver_of(said.key.job_id)) driver->endorsement_received(site, said, now);
          } else {
            // Masked jobs' sites tell the kind of failure alone.
            const std::string reason = said.reason.empty() ? "failed: " + std::string(name_of(said.code)) : said.reason;
            spdlog::warn("{}: site {}: {}", job::to_string(said.key), site, reason);
            if (auto* driver = driver_of(said.key.job_id)) driver->site_failed(site, said.key, reason, now);
          }
        },
        message);
  });
}

Result<std::uint64_t> Scheduler::expected_words(const std::string& site, const job::SessionKey& key) {
  return ask<std::uint64_t>([this, site, key]() -> Result<std::uint64_t> {
    const Job* job = find(key.job_id);
    if (job == nullptr || !job->running) return fail(ErrorCode::kNotFound, "no job '" + key.job_id + "' is running");
    return job->driver->expected_words(site, key);
  });
}

Result<void> Scheduler::vector_received(const std::string& site, const job::SessionKey& key,
                                        const std::filesystem::path& file) {
  auto opened = SpooledWords::open(file);
  if (!opened) return fail(std::move(opened).error());
  const std::shared_ptr<SpooledWords> words = std::move(*opened);
  return ask<void>([this, site, key, words]() -> Result<void> {
    Job* job = find(key.job_id);
    if (job == nullptr || !job->running) return fail(ErrorCode::kNotFound, "no job '" + key.job_id + "' is running");
    return job->driver->vector_received(site, key, *words, round::Clock::now());
  });
}

bool Scheduler::may_fetch(const std::string& site, const crypto::Digest& digest) {
  const auto allowed = ask<bool>([this, site, digest]() -> Result<bool> {
    return std::ranges::any_of(jobs_, [&](const auto& job) {
      return job->running && job->driver->wants(site) && job->driver->offers(digest);
    });
  });
  return allowed.value_or(false);
}

Result<std::string> Scheduler::submit(const std::string& researcher, const std::string& spec_text,
                                      const job::JobSignature& signature) {
  spdlog::info("researcher {}: submits a job", researcher);
  CONSILIUM_ASSIGN(admission::AdmittedJob admitted, admission::admit(spec_text, parts_.blobs));
  CONSILIUM_TRY(admission::check_submitter(researcher, admitted.spec, signature, parts_.self, *parts_.trust));
  const auto shared = std::make_shared<admission::AdmittedJob>(std::move(admitted));
  return ask<std::string>(
      [this, researcher, signature, shared] { return enqueue(researcher, signature, std::move(*shared)); });
}

Result<std::string> Scheduler::enqueue(const std::string& researcher, const job::JobSignature& signature,
                                       admission::AdmittedJob admitted) {
  auto job = std::make_unique<Job>();
  CONSILIUM_ASSIGN(const std::uint64_t number, parts_.numbers.next(admitted.spec.name));
  job->id = admitted.spec.name + "-" + std::to_string(number);
  job->researcher = researcher;
  job->spec_text = job::canonical_text(admitted.spec);
  round::JobDriver::Parts parts{*gateway_, parts_.journal, parts_.blobs,
                                [this, id = job->id](const report::JobStatus& status) { publish(id, status); }};
  parts.threads = std::thread::hardware_concurrency();
  if (job::is_masked(admitted.spec)) {
    parts.authenticator = std::make_shared<secagg::RosterAuthenticator>(parts_.trust, admitted.spec.federation.roster);
  }
  CONSILIUM_ASSIGN(job->driver, round::JobDriver::create(job->id, signature, admitted.spec, admitted.initial_model,
                                                         std::move(parts)));
  spdlog::info("job {}: submitted by {}, digest {}", job->id, researcher,
               crypto::to_hex(job::job_digest(admitted.spec)));
  if (!job::is_masked(admitted.spec)) {
    spdlog::warn("job {}: secure aggregation is OFF: this coordinator sees each site's update", job->id);
  }
  std::string job_id = job->id;
  {
    const std::scoped_lock lock(published_mutex_);
    published_order_.push_back(job_id);
    published_[job_id] = {1, job->driver->status(), job->spec_text};
  }
  jobs_.push_back(std::move(job));
  start_queued(round::Clock::now());
  return job_id;
}

std::vector<report::JobStatus> Scheduler::jobs() {
  const std::scoped_lock lock(published_mutex_);
  std::vector<report::JobStatus> statuses;
  statuses.reserve(published_order_.size());
  for (const std::string& job_id : published_order_) statuses.push_back(published_.at(job_id).status);
  return statuses;
}

Result<Scheduler::Versioned> Scheduler::watch(const std::string& job_id, std::uint64_t seen,
                                              std::chrono::milliseconds timeout) {
  std::unique_lock lock(published_mutex_);
  const auto found = published_.find(job_id);
  if (found == published_.end()) return fail(ErrorCode::kNotFound, "no job '" + job_id + "'; see consilium jobs");
  const Published& published = found->second;  // map nodes stay where they are
  published_changed_.wait_for(lock, timeout, [&] { return stopping_ || published.version > seen; });
  if (stopping_) return fail(shutting_down());
  return Versioned{published.version, published.status};
}

Result<std::string> Scheduler::job_spec(const std::string& job_id) {
  const std::scoped_lock lock(published_mutex_);
  const auto found = published_.find(job_id);
  if (found == published_.end()) return fail(ErrorCode::kNotFound, "no job '" + job_id + "'; see consilium jobs");
  return found->second.spec_text;
}

Result<void> Scheduler::stop(const pki::Identity& by, const std::string& job_id) {
  return ask<void>([this, by, job_id]() -> Result<void> {
    Job* job = find(job_id);
    if (job == nullptr) {
      const std::scoped_lock lock(published_mutex_);
      const bool known = published_.contains(job_id);
      return known ? fail(ErrorCode::kFailedPrecondition, "job '" + job_id + "' has ended already")
                   : fail(ErrorCode::kNotFound, "no job '" + job_id + "'; see consilium jobs");
    }
    const bool theirs = by.role == pki::Role::kResearcher && by.name == job->researcher;
    if (!theirs && by.role != pki::Role::kOperator) {
      return fail(ErrorCode::kPermissionDenied, "job '" + job_id + "' was submitted by " + job->researcher +
                                                    "; only they and an operator may stop it");
    }
    job->driver->stop("stopped by " + std::string(theirs ? "" : "operator ") + by.name, round::Clock::now());
    return {};
  });
}

std::vector<service::SiteStatus> Scheduler::sites() {
  auto known = ask<std::vector<service::SiteStatus>>([this]() -> Result<std::vector<service::SiteStatus>> {
    std::vector<service::SiteStatus> statuses;
    for (const auto& [name, site] : sites_) {
      service::SiteStatus status{name, site.connected, site.hello.software, site.hello.datasets,
                                 site.connected ? "idle" : ""};
      for (const auto& job : jobs_) {
        const auto& activities = job->driver->status().sites;
        const auto activity = activities.find(name);
        if (job->running && activity != activities.end()) status.activity = job->id + ": " + activity->second;
      }
      statuses.push_back(std::move(status));
    }
    return statuses;
  });
  return known ? std::move(*known) : std::vector<service::SiteStatus>();
}

}  // namespace consilium::coordinator
