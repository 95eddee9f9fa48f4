#include "client/daemon.h"

#include <spdlog/fmt/fmt.h>

#include <atomic>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "client/approval/control_socket.h"
#include "client/approval/desk.h"
#include "client/approval/job_gate.h"
#include "client/config_check.h"
#include "client/masking/group_mode.h"
#include "client/masking/masked_sessions.h"
#include "client/policy/accepted_roster.h"
#include "client/policy/data_record.h"
#include "client/policy/policy.h"
#include "client/policy/roster_check.h"
#include "client/session/session_machine.h"
#include "client/session/session_worker.h"
#include "client/session/site_runner.h"
#include "client/transport/coordinator_link.h"
#include "common/crypto/secret_bytes.h"
#include "common/files/files.h"
#include "common/files/state_dir.h"
#include "common/files/watched_file.h"
#include "common/logging/event.h"
#include "common/logging/logging.h"
#include "common/pki/authority.h"
#include "common/process/event_queue.h"

namespace consilium::client {

trainer::TrainerConfig trainer_config(const ClientConfig& config, const policy::Policy& policy) {
  trainer::TrainerConfig trainer;
  trainer.command = trainer_command(config);
  trainer.device = config.trainer.device;
  trainer.threads = config.trainer.threads;
  trainer.memory_limit_bytes = config.trainer.memory_limit_bytes;
  trainer.scratch = config.trainer.scratch;
  trainer.scratch_bytes = config.trainer.scratch_bytes;
  trainer.require_sandbox = policy.sandbox_required();
  trainer.log = [](std::string_view line) {
    logging::event(logging::Event::kTrainerSaid, {}, "trainer: " + std::string(line));
  };
  for (const auto& [name, source] : config.datasets) trainer.readable.emplace_back(source.path);
  for (const auto& [name, file] : config.atlases) trainer.readable.emplace_back(file);
  trainer.secrets = {config.tls.key, config.state_dir};
  if (!config.site_secret.empty()) trainer.secrets.push_back(config.site_secret);
  return trainer;
}

namespace {

/// Maximum number of events waiting to be handled; a message has up to 2 MiB (common/wire/limits.h).
constexpr std::size_t kMaxEvents = 32;
/// How often the daemon checks whether the configuration, the policy or the roster has changed.
constexpr std::chrono::seconds kLookEvery{2};

std::int64_t unix_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Returns what the site checks the coordinator of masked jobs against.
Result<masking::SiteTrust> site_trust(const ClientConfig& config, const policy::Policy& policy) {
  masking::SiteTrust trust;
  trust.site = config.site;
  trust.certificate = config.tls.certificate;
  trust.key = config.tls.key;
  CONSILIUM_ASSIGN(trust.authorities, pki::TrustStore::open(config.tls.root, config.tls.revocation_list,
                                                            pki::TrustOptions{config.state_dir}));
  CONSILIUM_TRY(pki::make_file_signer(config.tls.key));  // reports an error now, not at the first masked session
  trust.minimum_survivors = policy.rules().minimum_survivors.value_or(0);
  trust.allow_changed_cohort = policy.rules().allow_changed_cohort;
  return trust;
}

/// Returns the data sets' paths from client.yaml.
policy::DataPaths data_paths(const ClientConfig& config) {
  policy::DataPaths paths;
  for (const auto& [name, source] : config.datasets) paths.emplace(name, source.path);
  return paths;
}

/// Returns the groups over which this site has given vectors, by population.
Result<roster::LedgerGroups> groups_given(masking::GroupMode& mode, const roster::Roster& roster) {
  roster::LedgerGroups given;
  for (const roster::Population& population : roster.populations) {
    CONSILIUM_ASSIGN(given[population.name], mode.ledger().groups(population.name));
  }
  return given;
}

}  // namespace

class Daemon::Impl {
 public:
  Impl(ClientConfig config, const std::filesystem::path& file, policy::Policy policy, OwnIdentity self,
       std::shared_ptr<const pki::TrustStore> trust, std::unique_ptr<approval::Approvals> approvals,
       policy::DataRecord data, masking::MaskedSessions masked, std::unique_ptr<masking::GroupMode> groups,
       std::unique_ptr<transport::CoordinatorLink> link)
      : config_(std::move(config)),
        policy_(std::move(policy)),
        approvals_(std::move(approvals)),
        data_(std::move(data)),
        gate_({*approvals_, std::move(trust), self.consortium, unix_now,
               [this](const roster::Roster& roster, const std::string& dataset) {
                 return data_.claim(data_paths(config_), roster, dataset);
               },
               [this](const std::string& population) { return groups_->ledger().sums_given(population); }}),
        desk_({*approvals_, [this] { return maximum_sums(); }, unix_now, [this] { return releases(); },
               [this] { events_.post(session::Reconsider{}); },
               [this](const std::string& member) { return ledger_for(member); },
               [this] { return roster_shown_.load(); }}),
        consortium_(self.consortium),
        context_{policy_, {}, "consilium-client " CONSILIUM_VERSION, config_.site, self.key, std::move(self.roster),
                 &gate_},
        masked_(std::move(masked)),
        groups_(std::move(groups)),
        link_(std::move(link)),
        file_(file),
        config_file_(file),
        policy_file_(config_.policy),
        roster_file_(config_.roster),
        maximum_sums_(policy_.rules().maximum_sums.value_or(0)),
        roster_shown_(std::make_shared<const roster::Roster>(context_.roster)) {
    for (const auto& [name, source] : config_.datasets) context_.datasets.push_back(name);
    context_.atlases = config_.atlases;
    worker_.emplace(
        session::SessionWorker::Parts{*link_,
                                      trainer_config(config_, policy_),
                                      {config_.datasets, config_.atlases},
                                      config_.site,
                                      config_.state_dir / "models",
                                      config_.state_dir / "local",
                                      masked_.ledger(),
                                      *groups_,
                                      [this](session::SiteEvent event) { events_.post(std::move(event)); }});
    runner_.emplace(session::SiteRunner::Parts{context_, masked_, *groups_, *link_, *worker_});
  }

  void run() {
    if (!crypto::secrets_locked())
      logging::event(
          logging::Event::kLimitLow, {},
          "the keys of masked sums can't be locked in memory and may be swapped out: raise RLIMIT_MEMLOCK to 16 MiB");
    worker_->start([](const Error& error) {
      logging::event(logging::Event::kTrainerFailed, {}, "the trainer doesn't start: " + error.message);
    });
    log_remarks();
    // If the coordinator sends faster than this thread can handle, the link's thread blocks here. The stream is then
    // not read, and HTTP/2's flow control slows the coordinator down.
    link_->start(
        {[this](std::string coordinator) {
           runner_->stream_opened();
           events_.post_when_room(session::Connected{std::move(coordinator)});
         },
         [this](wire::CoordinatorMessage message) { events_.post_when_room(session::Received{std::move(message)}); },
         [this](const Error&) { events_.post_when_room(session::Disconnected{}); },  // the link logs why
         [this] { return busy_.load(); }});
    auto next_look = std::chrono::steady_clock::now() + kLookEvery;
    while (!events_.closed()) {
      const auto event = events_.take(next_look);
      if (event) runner_->handle(*event);
      busy_ = runner_->busy();
      tell_coordinator_of_data();
      if (!reload_.exchange(false) && std::chrono::steady_clock::now() < next_look) continue;
      next_look = std::chrono::steady_clock::now() + kLookEvery;
      look_at_files();
    }
    logging::event(logging::Event::kProgramStopping, {}, "stopping");
    socket_.reset();
    link_->stop();  // the queue is closed: the link's thread no longer waits for room in it
    worker_.reset();
  }

  void stop() { events_.close(); }

  void reload() {
    reload_all_ = true;
    reload_ = true;
    events_.post(session::Reconsider{});
  }

  /// Starts answering `consilium-client jobs` and the related commands.
  Result<void> listen() {
    CONSILIUM_ASSIGN(socket_, approval::ControlSocket::listen(
                                  config_.state_dir, [this](const std::string& request, const std::string& user) {
                                    return desk_.answer(request, user);
                                  }));
    return {};
  }

 private:
  /// Returns what `consilium-client releases` lists. Called on the socket's thread.
  Result<std::vector<approval::Release>> releases() {
    CONSILIUM_ASSIGN(const std::vector<masking::Release> given, groups_->ledger().releases());
    std::vector<approval::Release> list;
    for (const masking::Release& one : given) {
      list.push_back({one.population, one.job_id, one.researcher, std::string(job::name_of(one.sum.kind)),
                      one.sum.round, one.group_index, one.at});
    }
    return list;
  }

  /// Returns what `consilium-client ledger export` writes. Called on the socket's thread.
  Result<std::string> ledger_for(const std::string& member) {
    CONSILIUM_ASSIGN(const std::vector<std::byte> content, groups_->content_for(member));
    return crypto::to_hex({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()});
  }

  [[nodiscard]] std::optional<std::uint64_t> maximum_sums() const {
    const std::uint64_t most = maximum_sums_;
    return most == 0 ? std::nullopt : std::optional(most);
  }

  /// Logs what this site can't take part in with its files as they are.
  void log_remarks() {
    const files::Findings remarks = remarks_on(config_, policy_, {consortium_, context_.key, context_.roster});
    for (const std::string& problem : remarks.problems) logging::event(logging::Event::kSiteLimited, {}, problem);
    for (const std::string& warning : remarks.warnings) logging::event(logging::Event::kSiteLimited, {}, warning);
  }

  /// Rereads the configuration, the policy and the roster if they have changed. If one can't be used, the old one stays
  /// in force.
  void look_at_files() {
    const bool all = reload_all_.exchange(false);
    const bool config_changed = !file_.empty() && (config_file_.changed() || all);
    const bool policy_changed = policy_file_.changed() || all;
    const bool roster_changed = roster_file_.changed() || all;
    if (config_changed) take_config(read_client_config(file_));
    if (policy_changed) take_policy(policy::read_policy(config_.policy));
    if (roster_changed) take_roster(policy::read_own_roster(config_.roster, consortium_));
    if (!config_changed && !policy_changed && !roster_changed) return;
    log_remarks();
    runner_->handle(session::Reconsider{});
  }

  void take_config(Result<ClientConfig> read) {
    if (read) {
      auto usable = check_data_paths(*read);
      // Only a job's offer claims its data for a population, permanently: a mistake in this file can be mended.
      if (usable) usable = data_.check(data_paths(*read), context_.roster);
      if (!usable) read = fail(usable.error());
    }
    if (!read) {
      return logging::event(logging::Event::kConfigRefused, {.more = {{"file", file_.string()}}},
                            read.error().message + "; the configuration read before stays in force");
    }
    logging::change(read->log);
    config_.log = read->log;
    if (const auto later = keys_for_restart(config_, *read); !later.empty()) {
      logging::event(logging::Event::kConfigNeedsRestart, {.more = {{"file", file_.string()}, {"keys", later}}},
                     fmt::format("{}: a restart is needed for: {}; the rest is in force now", file_.string(),
                                 fmt::join(later, ", ")));
    }
    take_data(std::move(read->datasets), std::move(read->atlases));
    logging::event(logging::Event::kConfigReloaded, {.more = {{"file", file_.string()}}},
                   "read " + file_.string() + " again");
  }

  /// Uses other data sets and atlases for new jobs. Running jobs keep the data that they began with.
  void take_data(std::map<std::string, trainer::DataSource> datasets, std::map<std::string, std::string> atlases) {
    if (datasets == config_.datasets && atlases == config_.atlases) return;
    config_.datasets = std::move(datasets);
    config_.atlases = std::move(atlases);
    std::vector<std::string> names;
    for (const auto& [name, source] : config_.datasets) names.push_back(name);
    if (names != context_.datasets) hello_is_old_ = true;
    context_.datasets = std::move(names);
    context_.atlases = config_.atlases;
    worker_->change_data({config_.datasets, config_.atlases});
  }

  /// Opens a new stream if the names of the data sets have changed, because only a stream's hello tells the coordinator
  /// about them. A new stream would end a session, so this waits until the site has no job.
  void tell_coordinator_of_data() {
    if (!hello_is_old_ || runner_->has_jobs()) return;
    hello_is_old_ = false;
    link_->reconnect();
  }

  void take_policy(Result<policy::Policy> read) {
    const logging::Fields about{.more = {{"file", config_.policy.string()}}};
    if (!read)
      return logging::event(logging::Event::kConfigRefused, about,
                            read.error().message + "; the policy read before stays in force");
    const policy::Policy::Rules& now = read->rules();
    const policy::Policy::Rules& before = policy_.rules();
    if (now.minimum_survivors != before.minimum_survivors || now.allow_changed_cohort != before.allow_changed_cohort ||
        read->sandbox_required() != policy_.sandbox_required()) {
      logging::event(logging::Event::kConfigNeedsRestart, about,
                     "policy.yaml: minimum_survivors, allow_changed_cohort and sandbox take effect when the client "
                     "starts again");
    }
    policy_ = *std::move(read);
    maximum_sums_ = policy_.rules().maximum_sums.value_or(0);
    logging::event(logging::Event::kConfigReloaded, about, "read " + config_.policy.string() + " again");
  }

  void take_roster(Result<roster::Roster> read) {
    if (read) {
      const auto given = groups_given(*groups_, *read);
      const auto accepted = given ? policy::accept_roster(config_.state_dir, *read, *given, config_.site)
                                  : Result<void>(fail(given.error()));
      if (!accepted) read = fail(accepted.error());
    }
    const logging::Fields about{.more = {{"file", config_.roster.string()}}};
    if (!read)
      return logging::event(logging::Event::kConfigRefused, about,
                            read.error().message + "; the roster read before stays in force");
    context_.roster = *std::move(read);
    roster_shown_ = std::make_shared<const roster::Roster>(context_.roster);
    if (const auto data = data_.claim(data_paths(config_), context_.roster); !data)
      logging::event(logging::Event::kDataRefused, {},
                     data.error().message + "; until then this site declines every job");
    if (!config_.roster.empty())
      logging::event(logging::Event::kConfigReloaded, about, "read " + config_.roster.string() + " again");
  }

  ClientConfig config_;
  policy::Policy policy_;
  process::EventQueue<session::SiteEvent> events_{kMaxEvents};
  std::unique_ptr<approval::Approvals> approvals_;
  policy::DataRecord data_;
  approval::JobGate gate_;
  approval::Desk desk_;
  std::string consortium_;
  session::SiteContext context_;
  masking::MaskedSessions masked_;
  std::unique_ptr<masking::GroupMode> groups_;
  std::unique_ptr<transport::CoordinatorLink> link_;
  std::optional<session::SessionWorker> worker_;
  std::optional<session::SiteRunner> runner_;
  const std::filesystem::path file_;  ///< client.yaml; empty if it is unknown
  files::WatchedFile config_file_;
  files::WatchedFile policy_file_;
  files::WatchedFile roster_file_;
  bool hello_is_old_ = false;                ///< the last hello listed other data sets than the configuration
  std::atomic<std::uint64_t> maximum_sums_;  ///< 0: no limit; read by the socket's thread
  std::atomic<std::shared_ptr<const roster::Roster>> roster_shown_;  ///< the roster in force, for the socket's thread
  std::atomic<bool> busy_ = false;  ///< true while the site is in a session; read by the link's thread
  std::atomic<bool> reload_ = false;
  std::atomic<bool> reload_all_ = false;
  std::unique_ptr<approval::ControlSocket> socket_;
};

Result<std::unique_ptr<Daemon>> Daemon::create(ClientConfig config, const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(policy::Policy policy, policy::read_policy(config.policy));
  CONSILIUM_ASSIGN(OwnIdentity self, read_own_identity(config));
  CONSILIUM_TRY(check_data_paths(config));
  std::error_code problem;
  std::filesystem::create_directories(config.state_dir / "models", problem);
  if (problem)
    return fail(ErrorCode::kInternal, files::state_dir_problem("client", config.state_dir, problem.message()));
  std::filesystem::permissions(config.state_dir, std::filesystem::perms::owner_all, problem);

  CONSILIUM_ASSIGN(masking::Ledger ledger, masking::Ledger::open(config.state_dir));
  CONSILIUM_ASSIGN(auto approvals, approval::Approvals::open(config.state_dir));
  CONSILIUM_ASSIGN(masking::SiteTrust trust, site_trust(config, policy));
  std::shared_ptr<const pki::TrustStore> authorities = trust.authorities;
  const std::filesystem::path secret =
      config.site_secret.empty() ? config.state_dir / "site.secret" : config.site_secret;
  CONSILIUM_ASSIGN(auto groups, masking::GroupMode::open(config.state_dir, secret, trust));
  CONSILIUM_ASSIGN(const roster::LedgerGroups given, groups_given(*groups, self.roster));
  CONSILIUM_TRY(policy::accept_roster(config.state_dir, self.roster, given, config.site));
  CONSILIUM_ASSIGN(policy::DataRecord data, policy::DataRecord::open(config.state_dir));
  CONSILIUM_TRY(data.claim(data_paths(config), self.roster));
  masking::MaskedSessions masked(std::move(trust), std::move(ledger));

  transport::LinkConfig link_config;
  link_config.coordinator = config.coordinator;
  link_config.server_name = config.server_name;
  if (config.proxy) link_config.proxy = "http://" + *config.proxy;
  link_config.root = config.tls.root;
  link_config.certificate = config.tls.certificate;
  link_config.key = config.tls.key;
  link_config.revocation_list = config.tls.revocation_list;
  link_config.site = config.site;
  link_config.list_memory = config.state_dir;
  CONSILIUM_ASSIGN(auto link, transport::make_grpc_link(link_config));
  auto impl = std::make_unique<Impl>(std::move(config), file, std::move(policy), std::move(self),
                                     std::move(authorities), std::move(approvals), std::move(data), std::move(masked),
                                     std::move(groups), std::move(link));
  CONSILIUM_TRY(impl->listen());
  return std::unique_ptr<Daemon>(new Daemon(std::move(impl)));
}

Daemon::Daemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Daemon::~Daemon() = default;
void Daemon::run() { impl_->run(); }
void Daemon::reload() { impl_->reload(); }
void Daemon::stop() { impl_->stop(); }

}  // namespace consilium::client
