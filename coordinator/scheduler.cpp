#include "coordinator/scheduler.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <future>
#include <utility>

#include "common/job/job_text.h"
#include "common/logging/event.h"
#include "common/secagg/roster_authenticator.h"
#include "coordinator/service/spool_folder.h"
#include "coordinator/spooled_words.h"

namespace consilium::coordinator {
namespace {

Error shutting_down() { return {ErrorCode::kCancelled, "the coordinator is shutting down"}; }

/// Returns the name by which a job's researcher learns who acted on the job: "ada", "operator olga".
std::string name_of(const pki::Identity& caller) {
  return caller.role == pki::Role::kOperator ? "operator " + caller.name : caller.name;
}

/// Returns the Unix time.
std::uint64_t unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

pki::Identity researcher_named(const std::string& name) { return {{}, pki::Role::kResearcher, name}; }

}  // namespace

Scheduler::Scheduler(Parts parts) : parts_(std::move(parts)), weights_(parts_.quotas.weights, parts_.blobs) {}
Scheduler::~Scheduler() { stop(); }

Result<std::vector<std::string>> Scheduler::restore() {
  CONSILIUM_ASSIGN(std::vector<store::JobRecord> records, parts_.jobs.load());
  std::vector<std::string> lacking;
  for (store::JobRecord& record : records) {
    report::JobStatus& status = record.status;
    if (!record.ended && status.history.empty()) record.kept.reset();  // it is the initial model
    if (record.kept && !parts_.blobs.size(*record.kept)) {
      lacking.push_back(status.job_id);
      record.kept.reset();
    }
    if (!record.ended) {
      status.detail = fmt::format(
          "the coordinator ended after round {} of {}; submit the job again with another seed{}", status.history.size(),
          status.rounds, record.kept ? ", or go on from its model, which 'consilium fetch' gives" : "");
      status.phase = report::JobPhase::kFailed;
      status.eta_seconds.reset();
      status.ended_seconds = unix_seconds();
      record.ended = true;
      CONSILIUM_TRY(parts_.jobs.save(record));
      logging::event(logging::Event::kJobInterrupted,
                     {.job = status.job_id,
                      .researcher = record.researcher,
                      .more = {{"rounds", static_cast<std::uint64_t>(status.history.size())}}},
                     "job " + status.job_id + ": " + status.detail);
    }
    if (record.kept) parts_.blobs.retain(*record.kept);
    // A job of an older version may break a rule of this one. It is still listed, for its researcher alone.
    const auto spec = job::parse_job(record.spec_text, status.job_id);
    list_.restore({status.job_id, record.researcher, spec ? spec->readers : std::vector<std::string>()}, record);
  }
  return lacking;
}

void Scheduler::start(round::SiteGateway& gateway) {
  gateway_ = &gateway;
  owner_ = std::thread([this] { own(); });
}

void Scheduler::stop() {
  list_.close();
  queue_.close();
  if (owner_.joinable()) owner_.join();
}

void Scheduler::own() {
  while (!queue_.closed()) {
    if (auto task = queue_.take(next_deadline())) (*task)();
    const Time now = round::Clock::now();
    for (const auto& job : jobs_) {
      const auto due = job->driver->next_deadline();
      if (due && *due <= now) job->driver->tick(now);
    }
    weights_.expire(now);
    settle(now);
    publish_changes(now);
  }
}

std::optional<Scheduler::Time> Scheduler::next_deadline() const {
  std::optional<Time> deadline = weights_.next_expiry();
  const auto consider = [&deadline](std::optional<Time> due) {
    if (due && (!deadline || *due < *deadline)) deadline = due;
  };
  for (const auto& job : jobs_) {
    consider(job->driver->next_deadline());
    if (job->lacking_since) consider(*job->lacking_since + parts_.slot_grace);
    if (job->save_again) consider(*job->save_again);
  }
  return deadline;
}

template <class T>
Result<T> Scheduler::ask(std::function<Result<T>()> question) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  std::future<Result<T>> answer = promise->get_future();
  // If the queue drops the task, the promise breaks, which tells the waiting caller that the scheduler has stopped.
  const bool taken = queue_.post([promise, question = std::move(question)] { promise->set_value(question()); });
  promise.reset();
  if (!taken) return fail(shutting_down());
  try {
    return answer.get();
  } catch (const std::future_error&) {
    return fail(shutting_down());
  }
}

ScheduledJob* Scheduler::find(const std::string& job_id) {
  const auto found = std::ranges::find_if(jobs_, [&](const auto& job) { return job->id == job_id; });
  return found == jobs_.end() ? nullptr : found->get();
}

void Scheduler::settle(Time now) {
  do {
    if (slots_may_change(now)) assign_slots(now);
  } while (retire_ended());
}

bool Scheduler::retire_ended() {
  const auto ended = std::erase_if(jobs_, [this](const std::unique_ptr<ScheduledJob>& job) {
    if (!job->driver->ended()) return false;
    publish(*job);
    if (!job->saved_end) return false;  // only this process knows how it ended; publish() tries again to write it
    job->log_end();
    service::remove_spools_of(parts_.spool, job->id);
    return true;
  });
  jobs_changed_ = jobs_changed_ || ended > 0;
  return ended > 0;
}

bool Scheduler::slots_may_change(Time now) const {
  return jobs_changed_ || std::ranges::any_of(jobs_, [&](const auto& job) {
           return job->driver->readiness() != job->last_readiness ||
                  (job->lacking_since && now >= *job->lacking_since + parts_.slot_grace);
         });
}

void Scheduler::take_idle_slots(Time now) {
  for (const auto& job : jobs_) {
    const bool idle = job->driver->has_slot() && job->driver->readiness() == round::Readiness::kLacking;
    if (!idle) {
      job->lacking_since.reset();
    } else if (!job->lacking_since) {
      job->lacking_since = now;
    }
    if (!job->lacking_since || now < *job->lacking_since + parts_.slot_grace) continue;
    job->lacking_since.reset();
    logging::event(logging::Event::kJobPaused, {.job = job->id},
                   "job " + job->id + ": gives its slot up until enough of its sites are there");
    job->driver->take_slot(now);
  }
}

void Scheduler::assign_slots(Time now) {
  take_idle_slots(now);
  std::vector<admission::Candidate> candidates;
  for (const auto& job : jobs_) {
    if (job->driver->ended()) continue;
    candidates.push_back({job->id, job->researcher, job->driver->spec().federation.sites,
                          job->driver->readiness().value_or(round::Readiness::kLacking), job->driver->has_slot()});
  }
  const auto plan = admission::choose_startable(
      candidates, {parts_.max_running_jobs, static_cast<std::size_t>(parts_.quotas.running)});
  for (const std::string& job_id : plan.start) {
    ScheduledJob& job = *find(job_id);
    logging::event(logging::Event::kJobStarted, {.job = job.id},
                   "job " + job.id + (job.has_worked ? ": goes on" : ": started"));
    job.has_worked = true;
    job.obstacle.reset();
    job.driver->give_slot(now);
  }
  for (const auto& job : jobs_) {
    const auto found = plan.obstacles.find(job->id);
    auto obstacle = found == plan.obstacles.end() ? std::nullopt : std::optional(found->second);
    job->last_readiness = job->driver->readiness();
    if (std::exchange(job->obstacle, obstacle) != obstacle) job->unpublished = true;
  }
  jobs_changed_ = false;
}

void Scheduler::publish(ScheduledJob& job) {
  job.unpublished = false;
  job.log_rounds();
  report::JobStatus status = job.status();
  status.researcher = job.researcher;
  status.submitted_seconds = job.submitted_seconds;
  const report::History& history = status.history;
  const bool grown =
      history.size() != job.saved.size() || (!history.empty() && !history.shares(history.size() - 1, job.saved));
  const bool ended = job.driver->ended();
  const Time now = round::Clock::now();
  if ((ended ? !job.saved_end : grown) && now >= job.save_again.value_or(now)) {
    if (const auto saved = save(job, status); saved) {
      job.saved = history;
      job.saved_end = ended;
      job.save_again.reset();
    } else {
      job.save_again = now + kSaveAgain;
      logging::event(logging::Event::kStateFailed, {.job = job.id},
                     fmt::format("job {}: its record can't be written, so a restart would lose it: {}", job.id,
                                 saved.error().message));
    }
  }
  if (job.saved_end) list_.ended(job.id, job.driver->kept_model());
  list_.update(std::move(status));
}

Result<void> Scheduler::save(const ScheduledJob& job, const report::JobStatus& status) {
  const bool ended = job.driver->ended();
  return parts_.jobs.save({job.researcher, job.spec_text, job.initial_model, status, ended,
                           ended ? job.driver->kept_model() : status.model});
}

void Scheduler::publish_changes(Time now) {
  if (!queue_.empty() && now < published_ + kPublishEvery) return;
  published_ = now;
  for (const auto& job : jobs_) {
    if (job->unpublished) publish(*job);
  }
}

void Scheduler::change_limits(std::size_t max_running_jobs, const admission::Quotas& quotas) {
  queue_.post([this, max_running_jobs, quotas] {
    parts_.max_running_jobs = max_running_jobs;
    parts_.quotas.jobs = quotas.jobs;
    parts_.quotas.running = quotas.running;
    jobs_changed_ = true;
  });
}

void Scheduler::site_connected(const std::string& site, const wire::SiteHello& hello) {
  queue_.post([this, site, hello] {
    sites_[site] = {true, hello};
    const Time now = round::Clock::now();
    for (const auto& job : jobs_) job->driver->site_connected(site, now);
  });
}

void Scheduler::site_disconnected(const std::string& site) {
  queue_.post([this, site] {
    sites_[site].connected = false;
    const Time now = round::Clock::now();
    for (const auto& job : jobs_) job->driver->site_left(site, now);
  });
}

void Scheduler::site_message(const std::string& site, wire::SiteMessage message) {
  queue_.post([this, site, message = std::move(message)] {
    if (const auto* hello = std::get_if<wire::SiteHello>(&message)) {
      sites_[site].hello = *hello;
    } else if (ScheduledJob* job = find(job_of(message))) {
      job->receive(site, message, round::Clock::now());
    }
  });
}

Result<std::uint64_t> Scheduler::expected_words(const std::string& site, const job::SessionKey& key) {
  return ask<std::uint64_t>([this, site, key]() -> Result<std::uint64_t> {
    const ScheduledJob* job = find(key.job_id);
    if (job == nullptr) return fail(ErrorCode::kNotFound, "no job '" + key.job_id + "' is running");
    return job->driver->expected_words(site, key);
  });
}

Result<void> Scheduler::vector_received(const std::string& site, const job::SessionKey& key,
                                        const std::filesystem::path& file) {
  auto opened = SpooledWords::open(file);
  if (!opened) return fail(std::move(opened).error());
  const std::shared_ptr<SpooledWords> words = std::move(*opened);
  return ask<void>([this, site, key, words]() -> Result<void> {
    ScheduledJob* job = find(key.job_id);
    if (job == nullptr) return fail(ErrorCode::kNotFound, "no job '" + key.job_id + "' is running");
    return job->driver->vector_received(site, key, *words, round::Clock::now());
  });
}

Result<void> Scheduler::may_fetch(const pki::Identity& peer, const crypto::Digest& digest) {
  if (peer.role != pki::Role::kSite) return list_.may_fetch(peer, digest);
  return ask<void>([this, site = peer.name, digest]() -> Result<void> {
    const bool allowed = std::ranges::any_of(jobs_, [&](const auto& job) {
      return job->driver->has_slot() && job->driver->wants(site) && job->driver->offers(digest);
    });
    if (allowed) return {};
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("blob {} belongs to no running job that {} takes part in", crypto::to_hex(digest), site));
  });
}

// Requests of researchers.

Result<void> Scheduler::expect_weights(const std::string& researcher, std::uint64_t bytes) {
  return ask<void>([this, researcher, bytes]() -> Result<void> {
    std::uint64_t in_jobs = 0;
    for (const auto& job : jobs_) {
      if (job->researcher == researcher) in_jobs += job->weights_bytes;
    }
    return weights_.make_room(researcher, bytes, in_jobs);
  });
}

Result<void> Scheduler::weights_received(const std::string& researcher, const crypto::Digest& digest,
                                         std::uint64_t bytes) {
  return ask<void>(
      [this, researcher, digest, bytes] { return weights_.add(researcher, digest, bytes, round::Clock::now()); });
}

Result<std::string> Scheduler::submit(const std::string& researcher, const std::string& spec_text,
                                      const job::JobSignature& signature) {
  CONSILIUM_ASSIGN(admission::AdmittedJob admitted, admit(spec_text));
  const crypto::Digest initial_model = admitted.initial_model;
  const auto shared = std::make_shared<admission::AdmittedJob>(std::move(admitted));
  const auto submit_checked = [&]() -> Result<std::string> {
    CONSILIUM_TRY(admission::check_submitter(researcher, shared->spec, signature, parts_.self, *parts_.trust));
    return ask<std::string>(
        [this, researcher, signature, shared] { return enqueue(researcher, signature, std::move(*shared)); });
  };
  auto job_id = submit_checked();
  parts_.blobs.release(initial_model);  // the job retains it, if there is one
  return job_id;
}

Result<admission::AdmittedJob> Scheduler::admit(const std::string& spec_text) {
  for (int tries = 0; tries < 3; ++tries) {
    CONSILIUM_ASSIGN(admission::AdmittedJob admitted, admission::admit(spec_text, parts_.blobs));
    parts_.blobs.retain(admitted.initial_model);
    if (parts_.blobs.size(admitted.initial_model)) return admitted;
    // Another job that began with the same model ended at this very moment, and took its file along.
    parts_.blobs.release(admitted.initial_model);
  }
  return fail(ErrorCode::kUnavailable, "the job's initial model was removed meanwhile; submit the job again");
}

Result<void> Scheduler::check_weights(const std::string& researcher, const admission::AdmittedJob& admitted) const {
  if (!admitted.spec.initial_weights_digest || weights_.has(researcher, *admitted.spec.initial_weights_digest))
    return {};
  // Researchers may start from a model of any job that they may read. They may not start from other researchers'
  // weights, even if they know the digest, because they could then fetch these as the job's own model.
  if (list_.may_fetch(researcher_named(researcher), *admitted.spec.initial_weights_digest)) return {};
  return fail(ErrorCode::kNotFound, fmt::format("initial_weights: {1} has not uploaded the vector {0} within the last "
                                                "hour; submit the job with 'consilium submit', which uploads it",
                                                crypto::to_hex(*admitted.spec.initial_weights_digest), researcher));
}

Result<std::unique_ptr<ScheduledJob>> Scheduler::make_job(const std::string& researcher,
                                                          const job::JobSignature& signature,
                                                          const admission::AdmittedJob& admitted) {
  auto job = std::make_unique<ScheduledJob>();
  CONSILIUM_ASSIGN(const std::uint64_t number, parts_.numbers.next(admitted.spec.name));
  job->id = admitted.spec.name + "-" + std::to_string(number);
  job->researcher = researcher;
  job->digest = job::job_digest(admitted.spec);
  job->initial_model = admitted.initial_model;
  job->spec_text = job::canonical_text(admitted.spec);
  job->submitted_seconds = unix_seconds();
  if (admitted.spec.initial_weights_digest) {
    CONSILIUM_ASSIGN(job->weights_bytes, parts_.blobs.size(*admitted.spec.initial_weights_digest));
  }
  round::JobDriver::Parts parts{*gateway_, parts_.journal, parts_.blobs,
                                [made = job.get()] { made->unpublished = true; }};
  parts.threads = std::thread::hardware_concurrency();
  if (job::is_masked(admitted.spec)) {
    parts.authenticator = std::make_shared<secagg::RosterAuthenticator>(parts_.trust, admitted.spec.federation.roster);
  }
  CONSILIUM_ASSIGN(job->driver, round::JobDriver::create(job->id, signature, admitted.spec, admitted.initial_model,
                                                         std::move(parts)));
  return job;
}

Result<std::string> Scheduler::enqueue(const std::string& researcher, const job::JobSignature& signature,
                                       admission::AdmittedJob admitted) {
  const auto unended = std::ranges::count_if(jobs_, [&](const auto& job) { return job->researcher == researcher; });
  CONSILIUM_TRY(admission::check_job_quota(parts_.quotas, researcher, static_cast<std::uint64_t>(unended)));
  CONSILIUM_TRY(check_weights(researcher, admitted));
  // A site serves a job under only one id. With two ids, some sites might accept one and some the other.
  const auto twin = std::ranges::find_if(jobs_, [&, digest = job::job_digest(admitted.spec)](const auto& job) {
    return job->researcher == researcher && job->digest == digest;
  });
  if (twin != jobs_.end()) {
    return fail(ErrorCode::kAlreadyExists,
                fmt::format("this job was already submitted as {0}: follow it with 'consilium watch {0}'; to run it a "
                            "second time, change its seed",
                            (*twin)->id));
  }
  CONSILIUM_ASSIGN(std::unique_ptr<ScheduledJob> made, make_job(researcher, signature, admitted));
  report::JobStatus status = made->driver->status();
  status.researcher = researcher;
  status.submitted_seconds = made->submitted_seconds;
  CONSILIUM_TRY(save(*made, status));
  ScheduledJob& job = *jobs_.emplace_back(std::move(made));
  jobs_changed_ = true;
  weights_.used(researcher, admitted.initial_model);
  logging::event(logging::Event::kJobSubmitted, {.job = job.id, .researcher = researcher},
                 fmt::format("job {}: submitted by {}, digest {}", job.id, researcher, crypto::to_hex(job.digest)));
  if (!job::is_masked(admitted.spec)) {
    logging::event(logging::Event::kJobUnmasked, {.job = job.id, .researcher = researcher},
                   "job " + job.id + ": secure aggregation is OFF: this coordinator sees each site's update");
  }
  list_.add({job.id, researcher, admitted.spec.readers}, job.spec_text, admitted.initial_model, std::move(status));
  const std::string job_id = job.id;
  const Time now = round::Clock::now();
  job.driver->begin(now, false);
  for (const auto& [name, site] : sites_) {
    if (site.connected) job.driver->site_connected(name, now);
  }
  settle(now);
  if (ScheduledJob* waiting = find(job_id)) publish(*waiting);
  return job_id;
}

std::vector<report::JobStatus> Scheduler::jobs(const pki::Identity& caller) { return list_.jobs(caller); }

Result<Scheduler::Versioned> Scheduler::watch(const pki::Identity& caller, const std::string& job_id,
                                              std::uint64_t seen, std::chrono::milliseconds timeout) {
  return list_.watch(caller, job_id, seen, timeout);
}

Result<std::string> Scheduler::job_spec(const pki::Identity& caller, const std::string& job_id) {
  return list_.spec(caller, job_id);
}

Result<void> Scheduler::stop(const pki::Identity& caller, const std::string& job_id) {
  CONSILIUM_TRY(list_.permit(caller, job_id, admission::Access::kStop));
  return ask<void>([this, caller, job_id]() -> Result<void> {
    ScheduledJob* job = find(job_id);
    if (job == nullptr) return fail(ErrorCode::kFailedPrecondition, "job '" + job_id + "' has ended already");
    job->driver->stop("stopped by " + name_of(caller), round::Clock::now());
    publish(*job);
    return {};
  });
}

Result<void> Scheduler::remove(const pki::Identity& caller, const std::string& job_id) {
  CONSILIUM_ASSIGN(const std::optional<crypto::Digest> kept, list_.remove(caller, job_id));
  if (const auto removed = parts_.jobs.remove(job_id); !removed)
    logging::event(logging::Event::kStateFailed, {.job = job_id},
                   fmt::format("job {}: its record can't be removed: {}", job_id, removed.error().message));
  if (kept) parts_.blobs.release(*kept);
  logging::event(logging::Event::kJobRemoved, {.job = job_id}, "job " + job_id + ": removed by " + name_of(caller));
  return {};
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
        if (job->driver->has_slot() && activity != activities.end())
          status.activity = job->id + ": " + activity->second;
      }
      statuses.push_back(std::move(status));
    }
    return statuses;
  });
  return known ? std::move(*known) : std::vector<service::SiteStatus>();
}

}  // namespace consilium::coordinator
