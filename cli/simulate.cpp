#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/comparison_progress.h"
#include "cli/comparison_text.h"
#include "cli/job_file.h"
#include "cli/live_view.h"
#include "cli/simulation_options.h"
#include "cli/version.h"
#include "common/job/cohort_rules.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/process/termination.h"
#include "common/report/report_files.h"
#include "common/roster/consortium_file.h"
#include "simulation/simulator.h"
#include "simulation/site_data.h"

namespace consilium::cli {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  consilium simulate job.yaml --data fashion.npz --sites 100 --partition shards:2 --out results\n"
    "  consilium simulate job.yaml --data fashion.npz --sites 10 --secure --drop-at upload:2 --out results\n"
    "  consilium simulate job.yaml --site-data kept/data --compare alone,ensemble,federated,pooled --out results\n"
    "Leaves model.safetensors, report.json, report.html, metrics.csv and curves.svg in the folder. "
    "Ctrl-C finishes the round first.";

struct SimulateOptions : SimulationOptions {
  std::string site_data;
  std::string roster;
  std::string site_secrets;
  double stragglers = 0.0;
  bool secure = false;
  std::string drop_at;
  std::string compare;
  std::string pool;
  std::string out;
};

/// One simulated run, from its options to its report.
class Simulation {
 public:
  explicit Simulation(SimulateOptions options) : options_(std::move(options)) {}

  Result<int> run() {
    termination_.on_signal([this] { stop_.request_stop(); });
    CONSILIUM_TRY(prepare());
    CONSILIUM_TRY(train());
    CONSILIUM_TRY(compare());
    CONSILIUM_TRY(report());
    return tell();
  }

 private:
  Result<void> prepare() {
    CONSILIUM_ASSIGN(job_file_, read_job_file(options_.job));
    if (!job_file_.weights_in_words.empty()) fmt::print(stderr, "initial weights: {}\n", job_file_.weights_in_words);
    CONSILIUM_TRY(check_options());
    if (!options_.compare.empty()) {
      CONSILIUM_ASSIGN(arms_, simulation::parse_arms(options_.compare));
    }
    const std::filesystem::path out = options_.out;
    std::filesystem::path folder = out / "sites";
    job_.spec = job_file_.spec;
    job_.initial_weights = job_file_.initial_weights;
    job_.stragglers = options_.stragglers;
    job_.secure = options_.secure;
    CONSILIUM_ASSIGN(job_.drops, simulation::parse_drop_plan(options_.drop_at));
    if (!options_.site_data.empty()) {
      folder = options_.site_data;
      CONSILIUM_ASSIGN(job_.sites, simulation::read_site_folder(folder, job_.spec));
    } else {
      simulation::SplitRequest split{options_.data, {}, options_.partition, {}, job_.spec.seed};
      if (options_.per_site > 0) split.per_site = options_.per_site;
      CONSILIUM_ASSIGN(split.names, simulation::site_names(job_.spec, options_.sites));
      CONSILIUM_ASSIGN(job_.sites, simulation::split_to_folder(split, job_.spec, folder));
    }
    CONSILIUM_ASSIGN(job_.atlas, atlas_of(options_, job_.spec));
    CONSILIUM_TRY(make_roster());
    if (arms_.pooled && !options_.pool.empty()) {
      CONSILIUM_ASSIGN(pool_, simulation::read_site_file(options_.pool));
    } else if (arms_.pooled) {
      CONSILIUM_ASSIGN(pool_, simulation::write_pool(job_.sites, job_.spec, out / "pooled.npz"));
    }
    std::vector<std::filesystem::path> readable{folder, out};
    for (const auto& site : job_.sites) readable.emplace_back(site.data.path);
    if (!pool_.data.path.empty()) readable.emplace_back(pool_.data.path);
    CONSILIUM_ASSIGN(simulation::Simulator::Config config, simulator_config(options_, readable));
    CONSILIUM_ASSIGN(simulator_, simulation::Simulator::create(std::move(config)));
    return {};
  }

  /// Completes a job with secure aggregation. Simulated sites have no registered keys, so the job gets generated ones,
  /// and one population of all sites. With --roster it is the job that `submit` would send.
  Result<void> make_roster() {
    if (!options_.roster.empty()) {
      CONSILIUM_TRY(fill_roster(job_file_, options_.job, options_.roster));
      job_.spec = job_file_.spec;
    } else if (job::is_masked(job_.spec) && job_.spec.federation.roster.empty()) {
      CONSILIUM_TRY(make_population());
    }
    if (options_.site_secrets.empty()) return {};
    for (auto& site : job_.sites) {
      site.secret = std::filesystem::path(options_.site_secrets) / (site.name + ".secret");
      std::error_code code;
      if (!std::filesystem::exists(site.secret, code)) {
        return fail(ErrorCode::kNotFound,
                    fmt::format("--site-secrets: expected {}, the site's secret bytes (client.yaml: site_secret)",
                                site.secret.string()));
      }
    }
    return {};
  }

  Result<void> make_population() {
    std::vector<std::string> names;
    for (const auto& site : job_.sites) names.push_back(site.name);
    std::ranges::sort(names);
    const std::uint32_t colluding = job_.spec.privacy.colluding_sites.value_or(1);
    job::PopulationTerms terms{"simulation", 0, roster::default_groups(names, colluding), {}};
    CONSILIUM_ASSIGN(terms.examples, simulation::largest_training_set(job_.sites, job_.spec));
    auto complete =
        terms.groups.empty()
            ? Result<job::JobSpec>(fail(ErrorCode::kInvalidArgument,
                                        fmt::format("found {} sites, but secure aggregation needs at least {}; add "
                                                    "sites, or write privacy: {{secure_aggregation: off}} in the job",
                                                    names.size(), job::smallest_cohort(colluding))))
            : job::with_population(job_.spec, job::simulated_roster(names), colluding, std::move(terms));
    if (!complete) return fail(complete.error().within(std::filesystem::path(options_.job).filename().string()));
    job_.spec = std::move(*complete);
    return {};
  }

  Result<void> check_options() const {
    if (options_.data.empty() == options_.site_data.empty()) {
      return fail(
          ErrorCode::kInvalidArgument,
          "expected data: either --data FILE to divide, or --site-data DIR with one .npz or .yaml file for each site");
    }
    if (!options_.site_data.empty() && (options_.sites > 0 || options_.per_site > 0)) {
      return fail(ErrorCode::kInvalidArgument,
                  "--site-data makes one site of each file in the folder; leave --sites and --per-site out");
    }
    if (options_.stragglers > 0 && job_file_.spec.training.local_epochs < 2) {
      return fail(ErrorCode::kInvalidArgument,
                  "--stragglers: a straggler does 1 to E-1 of E local epochs; set training.local_epochs to 2 or more");
    }
    if (options_.stragglers > 0 && job::is_masked(job_file_.spec)) {
      return fail(ErrorCode::kInvalidArgument,
                  "--stragglers: with secure aggregation every site does all of its work; write privacy: "
                  "{secure_aggregation: off} in the job");
    }
    if (options_.secure && !job::is_masked(job_file_.spec)) {
      return fail(ErrorCode::kInvalidArgument,
                  "--secure: the job says privacy: {secure_aggregation: off}; remove that from the job");
    }
    if (!options_.pool.empty() && options_.compare.find("pooled") == std::string::npos)
      return fail(ErrorCode::kInvalidArgument, "--pool: only used with --compare pooled; add that option");
    if (!options_.drop_at.empty() && !options_.secure) {
      return fail(ErrorCode::kInvalidArgument, "--drop-at: only used with secure aggregation; add --secure");
    }
    return {};
  }

  Result<void> train() {
    LiveView view(stdout, std::string(job::name_of(job_.spec.evaluation.split)),
                  options_.json ? ViewMode::kJson : ViewMode::kLive);
    CONSILIUM_ASSIGN(status_, simulator_->federate(
                                  job_, [&view](const report::JobStatus& status) { view.update(status); },
                                  stop_.get_token(), &masking_));
    view.update(status_);
    view.leave();
    return {};
  }

  Result<void> compare() {
    if (!arms_.any() || status_.phase != report::JobPhase::kFinished || stop_.stop_requested()) return {};
    ComparisonProgress progress(options_.json ? nullptr : stdout);
    auto comparison = simulator_->compare(job_, arms_, *status_.model, pool_, std::ref(progress), stop_.get_token());
    progress.leave();
    if (!comparison && comparison.error().code != ErrorCode::kCancelled) return fail(comparison.error());
    if (comparison) comparison_ = std::move(*comparison);
    return {};
  }

  Result<void> report() {
    ParameterVector model;
    if (status_.model) {
      CONSILIUM_ASSIGN(model, simulator_->model(*status_.model, job_file_.manifest));
    }
    const report::Report written{
        job_.spec,        status_, comparison_, {{"consilium", kVersion}, {"trainer", simulator_->trainer_software()}},
        !options_.secure, masking_};
    return report::write_report_folder(options_.out, written, job_file_.manifest, model);
  }

  Result<int> tell() const {
    const bool interrupted = stop_.stop_requested();
    if (options_.json) {
      fmt::print("{{\"event\":\"result\",\"phase\":\"{}\",\"model\":\"{}\",\"comparison\":{}}}\n",
                 report::name_of(status_.phase), status_.model ? crypto::to_hex(*status_.model) : "",
                 report::comparison_json(comparison_));
    } else {
      for (const std::string& line : comparison_lines(comparison_)) fmt::print("{}\n", line);
      tell_of_masks();
      fmt::print("{}: {}\n", status_.model ? "model and report" : "report", options_.out);
    }
    if (interrupted) {
      const auto left = job_.spec.federation.rounds - static_cast<std::uint32_t>(std::min<std::size_t>(
                                                          status_.history.size(), job_.spec.federation.rounds));
      if (left > 0) {
        const job::LearningRateSchedule& schedule = job_.spec.training.schedule;
        const bool changes = schedule.kind != job::ScheduleKind::kConstant || schedule.warmup > 0;
        fmt::print(
            stderr,
            "consilium: interrupted after round {} of {}; to continue from this model, set initial_weights: {}{} "
            "and federation.rounds: {} in the job, and simulate it into another folder\n",
            status_.history.size(), job_.spec.federation.rounds,
            (std::filesystem::absolute(options_.out) / report::kModelFile).string(),
            changes
                ? fmt::format(", training.schedule.rounds_before: {}", schedule.rounds_before + status_.history.size())
                : "",
            left);
      } else {
        fmt::print(stderr,
                   "consilium: interrupted; the federated model is complete, but the comparison isn't: simulate again "
                   "with --compare\n");
      }
      return kInterrupted;
    }
    if (status_.phase == report::JobPhase::kFinished) return kSuccess;
    fmt::print(stderr, "consilium: the job {}\n", state_in_words(status_));
    return kJobFailed;
  }

  void tell_of_masks() const {
    if (!job::is_masked(job_.spec)) return;
    if (!options_.secure) {
      fmt::print("secure aggregation: simulated by the plain sum, which gives the same bytes (--secure runs it)\n");
      return;
    }
    fmt::print("secure aggregation   messages        bytes   seconds\n");
    for (const report::MaskingCost& cost : masking_)
      fmt::print("  {:<18} {:>8} {:>12} {:>9.3f}\n", cost.step, cost.messages, cost.bytes, cost.seconds);
  }

  SimulateOptions options_;
  process::Termination termination_;
  std::stop_source stop_;
  JobFile job_file_;
  simulation::Arms arms_;
  simulation::Simulator::Job job_;
  simulation::SimulatedSite pool_;
  std::unique_ptr<simulation::Simulator> simulator_;
  report::JobStatus status_;
  report::Comparison comparison_;
  std::vector<report::MaskingCost> masking_;
};

}  // namespace

void add_simulate(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("simulate", "Run a job over many sites on this machine, without daemons");
  const auto options = std::make_shared<SimulateOptions>();
  add_simulation_options(*command, *options);
  command
      ->add_option(
          "--site-data", options->site_data,
          "folder with one file for each site, named after the site: an .npz, or a .yaml that describes its data")
      ->check(CLI::ExistingDirectory);
  command
      ->add_option("--roster", options->roster,
                   "make the same job as 'submit --roster' sends, instead of one with made-up keys")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--site-secrets", options->site_secrets,
                   "folder with NAME.secret of each site (client.yaml: site_secret); with --roster, this gives the "
                   "same bytes as the daemons")
      ->check(CLI::ExistingDirectory);
  command
      ->add_option("--stragglers", options->stragglers,
                   "share of each round's cohort that is slow and does only 1 to E-1 of the E local epochs")
      ->check(CLI::Range(0.0, 1.0));
  command->add_flag("--secure", options->secure, "run the whole protocol of secure aggregation between the sites");
  command->add_option("--drop-at", options->drop_at,
                      "with --secure: sites that drop out in each round, as STEP:COUNT separated by commas; STEP is "
                      "advertise or upload, or in mode masked-threshold advertise, share, upload, confirm or unmask");
  command->add_option("--compare", options->compare,
                      "alone, ensemble, federated, pooled, separated by commas: evaluate each on the test split, with "
                      "intervals");
  command
      ->add_option("--pool", options->pool,
                   "with --compare pooled: an .npz or .yaml file with the data of all sites, if .yaml files describe "
                   "the sites' own data")
      ->check(CLI::ExistingFile);
  add_atlas_option(*command, *options);
  command->add_option("--out", options->out, "folder for the model and the report")->required();
  add_json_option(*command, options->json);
  command->footer(kExamples);
  command->callback([options, &action] { action = [options] { return Simulation(*options).run(); }; });
}

}  // namespace consilium::cli
