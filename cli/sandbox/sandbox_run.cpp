#include "cli/sandbox/sandbox_run.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/comparison_progress.h"
#include "cli/comparison_text.h"
#include "cli/job_file.h"
#include "cli/live_view.h"
#include "cli/remote.h"
#include "cli/sandbox/daemon_process.h"
#include "cli/sandbox/provision.h"
#include "client/approval/control_socket.h"
#include "common/files/temporary_folder.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/process/termination.h"
#include "simulation/simulator.h"
#include "simulation/site_data.h"

namespace consilium::cli {
namespace {

constexpr std::chrono::seconds kStartLimit{30};
constexpr std::chrono::milliseconds kPoll{20};
constexpr std::chrono::milliseconds kStopGrace{8000};

Error interrupted() { return {ErrorCode::kCancelled, "interrupted; everything that was started is stopped"}; }

/// One sandbox, from its folder to its verdict. The destructor stops everything that it started.
class Sandbox {
 public:
  explicit Sandbox(SandboxOptions options) : options_(std::move(options)) {}
  ~Sandbox() {
    stop_daemons();
    std::error_code ignored;
    if (temporary_ && !layout_.root.empty()) {
      for (const auto& part :
           {layout_.offline(), layout_.coordinator(), layout_.root / "sites", layout_.researcher(), layout_.data()}) {
        std::filesystem::remove_all(part, ignored);
      }
      for (const char* file : {"job.yaml", "README.txt"}) std::filesystem::remove(layout_.root / file, ignored);
      std::filesystem::remove(layout_.root, ignored);  // removes the folder only if no results are in it
    }
  }
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  Result<int> run() {
    termination_.on_signal([this] { stop_.request_stop(); });
    CONSILIUM_TRY(prepare());
    CONSILIUM_TRY(start_daemons());
    CONSILIUM_TRY(train());
    stop_daemons();
    CONSILIUM_TRY(compare());
    CONSILIUM_TRY(report::write_report_folder(layout_.results(), fetched_.report, fetched_.manifest, fetched_.model));
    return tell();
  }

 private:
  Result<void> prepare() {
    CONSILIUM_ASSIGN(job_file_, read_job_file(options_.job));
    if (!job_file_.weights_in_words.empty()) fmt::print(stderr, "initial weights: {}\n", job_file_.weights_in_words);
    CONSILIUM_ASSIGN(const std::vector<std::string> names, simulation::site_names(job_file_.spec, options_.sites));
    CONSILIUM_ASSIGN(coordinator_, find_program("consilium-coordinator", ""));
    CONSILIUM_ASSIGN(client_, find_program("consilium-client", ""));
    CONSILIUM_TRY(make_folder());
    simulation::SplitRequest split{options_.data, names, options_.partition, {}, job_file_.spec.seed};
    if (options_.per_site > 0) split.per_site = options_.per_site;
    job_.spec = job_file_.spec;
    job_.initial_weights = job_file_.initial_weights;
    CONSILIUM_ASSIGN(job_.sites, simulation::split_to_folder(split, job_.spec, layout_.data()));
    CONSILIUM_ASSIGN(simulator_config_, simulator_config(options_, {layout_.root}));
    std::error_code ignored;
    std::filesystem::copy_file(options_.job, layout_.root / "job.yaml",
                               std::filesystem::copy_options::overwrite_existing, ignored);
    CONSILIUM_TRY(provision(layout_, job_.spec, job_.sites));
    if (job::is_masked(job_file_.spec)) CONSILIUM_TRY(fill_roster(job_file_, options_.job, layout_.roster()));
    job_.spec = job_file_.spec;
    return {};
  }

  Result<void> make_folder() {
    std::error_code code;
    temporary_ = options_.keep.empty();
    if (temporary_) {
      auto made = files::TemporaryFolder::create("consilium-sandbox");
      if (!made) return fail(made.error().code, made.error().message + ", or give --keep DIR");
      layout_.root = made->keep();
    } else {
      if (std::filesystem::exists(options_.keep, code) && !std::filesystem::is_empty(options_.keep, code)) {
        return fail(ErrorCode::kAlreadyExists,
                    fmt::format("--keep {}: already exists and isn't empty; name another folder", options_.keep));
      }
      std::filesystem::create_directories(options_.keep, code);
      if (code)
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("--keep {}: cannot be made: {}", options_.keep, code.message()));
      layout_.root = std::filesystem::canonical(options_.keep, code);
    }
    std::filesystem::create_directories(layout_.coordinator(), code);
    return {};
  }

  /// Returns false if the kernel lacks what confines trainers, such as Landlock. The policies then say so, as a
  /// hospital's would have to.
  bool trainers_can_be_confined() const {
    trainer::TrainerConfig config = simulator_config_.trainer;
    config.require_sandbox = true;
    trainer::TrainerProcess probe(std::move(config));
    const auto hello = probe.start();
    return hello || hello.error().code != ErrorCode::kFailedPrecondition;
  }

  Result<void> start_daemons() {
    CONSILIUM_TRY(
        start_daemon("consilium-coordinator",
                     {coordinator_.string(), "--config", (layout_.coordinator() / "coordinator.yaml").string()},
                     layout_.coordinator() / "log"));
    const std::filesystem::path port_file = layout_.coordinator() / "state" / "port";
    int port = 0;
    CONSILIUM_TRY(wait_until("the coordinator listens", [&]() -> Result<bool> {
      std::ifstream(port_file) >> port;
      return port > 0;
    }));
    const SandboxTrainer trainer{simulator_config_.trainer.command.front(), options_.device, options_.threads,
                                 trainers_can_be_confined()};
    CONSILIUM_TRY(write_site_configs(layout_, job_.spec, job_.sites, trainer, port));
    for (const auto& site : job_.sites) {
      CONSILIUM_TRY(start_daemon("consilium-client of " + site.name,
                                 {client_.string(), "--config", (layout_.site(site.name) / "client.yaml").string()},
                                 layout_.site(site.name) / "log"));
    }
    ConnectionOptions connection;
    connection.config = (layout_.researcher() / "config.yaml").string();
    CONSILIUM_ASSIGN(AdminClient admin, connect(connection));
    admin_.emplace(std::move(admin));
    std::size_t connected = 0;
    CONSILIUM_TRY(wait_until("every site is connected", [&]() -> Result<bool> {
      CONSILIUM_ASSIGN(const auto sites, admin_->sites());
      connected =
          static_cast<std::size_t>(std::ranges::count_if(sites, [](const auto& site) { return site.connected; }));
      return connected == job_.sites.size();
    }));
    say(fmt::format("a coordinator and {} sites, connected over mutual TLS, in {}", connected, layout_.root.string()));
    return {};
  }

  Result<void> start_daemon(std::string name, const std::vector<std::string>& command,
                            const std::filesystem::path& log) {
    CONSILIUM_ASSIGN(std::unique_ptr<DaemonProcess> daemon, DaemonProcess::start(std::move(name), command, log));
    daemons_.push_back(std::move(daemon));
    return {};
  }

  Result<void> check_daemons() {
    for (const auto& daemon : daemons_) CONSILIUM_TRY(daemon->check());
    return {};
  }

  /// Returns the last warning or error in each daemon's log. Sites keep their reasons private, but here all of them run
  /// on this machine.
  [[nodiscard]] std::string troubles_in_words() const {
    std::string text;
    for (const auto& daemon : daemons_) {
      if (const std::string trouble = daemon->last_trouble(); !trouble.empty())
        text += fmt::format("\n  {}: {}", daemon->name(), trouble);
    }
    return text;
  }

  Result<void> wait_until(const char* what, const std::function<Result<bool>()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kStartLimit;
    while (true) {
      if (stop_.stop_requested()) return fail(interrupted());
      CONSILIUM_TRY(check_daemons());
      CONSILIUM_ASSIGN(const bool there, condition());
      if (there) return {};
      if (std::chrono::steady_clock::now() > deadline) {
        return fail(ErrorCode::kDeadlineExceeded,
                    fmt::format("waited {} s in vain until {}; run it again with --keep DIR and read the logs in it",
                                kStartLimit.count(), what));
      }
      std::this_thread::sleep_for(kPoll);
    }
  }

  Result<void> train() {
    CONSILIUM_ASSIGN(const std::string job_id, submit_job(*admin_, job_file_));
    CONSILIUM_TRY(approve_everywhere(job_id));
    LiveView view(stdout, std::string(job::name_of(job_.spec.evaluation.split)),
                  options_.json ? ViewMode::kJson : ViewMode::kLive);
    const auto status = follow(*admin_, job_id, view, stop_.get_token());
    view.leave();
    if (!status && status.error().code == ErrorCode::kCancelled) return fail(interrupted());
    if (!status) return fail(status.error());
    if (status->phase != report::JobPhase::kFinished) {
      CONSILIUM_TRY(check_daemons());
      return fail(ErrorCode::kFailedPrecondition,
                  fmt::format("the job {}{}", state_in_words(*status), troubles_in_words()));
    }
    CONSILIUM_ASSIGN(fetched_, fetch_job(*admin_, job_id));
    return {};
  }

  /// Reviews a job at a site and approves it. Returns false if the site hasn't been offered the job yet.
  static Result<bool> approve_at(const std::filesystem::path& state_dir, const std::string& job_id) {
    CONSILIUM_ASSIGN(const std::string shown, approval::ask_daemon(state_dir, approval::request_text("show", job_id)));
    const auto job = nlohmann::json::parse(shown, nullptr, false);
    if (!job.is_object() || job.contains("error")) return false;
    const std::string request = approval::request_text("approve", job.value("digest", ""), job.value("researcher", ""));
    CONSILIUM_ASSIGN(const std::string answer, approval::ask_daemon(state_dir, request));
    const auto decided = nlohmann::json::parse(answer, nullptr, false);
    return decided.is_object() && !decided.contains("error");
  }

  /// Approves the job at every site, as a person at each hospital would.
  Result<void> approve_everywhere(const std::string& job_id) {
    for (const auto& site : job_.sites) {
      CONSILIUM_TRY(wait_until("every site was offered the job", [&]() -> Result<bool> {
        CONSILIUM_ASSIGN(const report::JobStatus status, admin_->status(job_id));
        if (exit_code_of(status.phase) != kSuccess) return true;  // follow() says why
        return approve_at(layout_.site(site.name) / "state", job_id);
      }));
    }
    say(
        fmt::format("approved the job at each of the {} sites, as a person at each hospital would "
                    "(consilium-client show {}, then the command that it ends with)",
                    job_.sites.size(), job_id));
    return {};
  }

  void stop_daemons() {
    admin_.reset();
    for (const std::string& name : stop_all(daemons_, kStopGrace)) {
      fmt::print(stderr, "consilium: {} did not stop when asked and was killed\n", name);
    }
  }

  Result<void> compare() {
    CONSILIUM_ASSIGN(const simulation::SimulatedSite pool,
                     simulation::write_pool(job_.sites, job_.spec, layout_.pool()));
    CONSILIUM_ASSIGN(const std::unique_ptr<simulation::Simulator> simulator,
                     simulation::Simulator::create(simulator_config_));
    CONSILIUM_ASSIGN(const crypto::Digest model, simulator->put_model(fetched_.model));
    ComparisonProgress progress(options_.json ? nullptr : stdout);
    auto comparison = simulator->compare(job_, {.alone = true, .federated = true, .pooled = true}, model, pool,
                                         std::ref(progress), stop_.get_token());
    progress.leave();
    std::error_code ignored;
    std::filesystem::remove(layout_.pool(), ignored);
    if (!comparison && comparison.error().code == ErrorCode::kCancelled) return fail(interrupted());
    if (!comparison) return fail(comparison.error());
    fetched_.report.comparison = std::move(*comparison);
    fetched_.report.versions["trainer"] = simulator->trainer_software();
    return {};
  }

  Result<int> tell() const {
    const report::Comparison& comparison = fetched_.report.comparison;
    const bool better = federated_is_better(comparison);
    if (options_.json) {
      fmt::print("{{\"event\":\"result\",\"better_than_alone\":{},\"results\":\"{}\",\"comparison\":{}}}\n", better,
                 layout_.results().string(), report::comparison_json(comparison));
    } else {
      fmt::print("\nOn the same {} test examples, after the same rounds and epochs:\n\n",
                 comparison.federated->examples);
      for (const std::string& line : comparison_lines(comparison)) fmt::print("{}\n", line);
      fmt::print("\nmodel and report: {}\n", layout_.results().string());
      if (!temporary_) fmt::print("the consortium's keys, configurations, logs and data: {}\n", layout_.root.string());
    }
    // A lower score is a result, not a failure: with few test examples, either side may be ahead by chance.
    if (!better && !options_.json) {
      fmt::print(
          "the federation isn't more accurate here than the mean of the sites alone; try more rounds or more data per "
          "site\n");
    }
    return kSuccess;
  }

  void say(const std::string& text) const {
    if (!options_.json) fmt::print("{}\n", text);
  }

  SandboxOptions options_;
  process::Termination termination_;
  std::stop_source stop_;
  JobFile job_file_;
  simulation::Simulator::Job job_;
  simulation::Simulator::Config simulator_config_;
  std::filesystem::path coordinator_, client_;
  SandboxLayout layout_;
  bool temporary_ = false;
  std::vector<std::unique_ptr<DaemonProcess>> daemons_;
  std::optional<AdminClient> admin_;
  FetchedJob fetched_;
};

}  // namespace

Result<int> run_sandbox(const SandboxOptions& options) { return Sandbox(options).run(); }

}  // namespace consilium::cli
