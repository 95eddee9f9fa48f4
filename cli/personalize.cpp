#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/comparison_text.h"
#include "cli/live_view.h"
#include "cli/simulation_options.h"
#include "cli/version.h"
#include "common/job/job_limits.h"
#include "common/job/masked_job.h"
#include "common/model/model_parameters.h"
#include "common/process/termination.h"
#include "common/report/report_files.h"
#include "common/report/result_folder.h"
#include "common/task/metric_names.h"
#include "simulation/simulator.h"
#include "simulation/site_data.h"

namespace consilium::cli {
namespace {

constexpr const char* kExamples =
    "The model of a federation's result folder is trained further on one site's own data, with the job's loss, batch "
    "size and optimiser, and\n"
    "both models are evaluated on the site's test split. After each epoch the validation split is evaluated; the best "
    "epoch's model is kept.\n"
    "Nothing leaves this machine.\n\n"
    "Examples:\n"
    "  consilium personalize results --data ours.npz --out ours\n"
    "  consilium personalize results --data ours.yaml --epochs 30 --learning-rate 0.001 --out ours\n"
    "  consilium personalize results --data ours.yaml --freeze conv1,layer1 --out ours";

/// The fraction of the job's learning rate that fine-tuning uses unless another rate is given.
constexpr double kGentler = 0.1;

struct PersonalizeOptions : SimulationOptions {
  std::string result;
  std::uint32_t epochs = 10;
  std::uint32_t patience = 3;
  std::optional<double> learning_rate;
  std::vector<std::string> freeze;
  std::string out;
};

/// Fine-tuning at one site, run as a federation of only that site, whose rounds are epochs.
class Personalization {
 public:
  explicit Personalization(PersonalizeOptions options) : options_(std::move(options)) {}

  Result<int> run() {
    termination_.on_signal([this] { stop_.request_stop(); });
    CONSILIUM_TRY(prepare());
    CONSILIUM_TRY(train());
    if (!status_.model) {
      fmt::print(stderr, "consilium: the job {}\n", state_in_words(status_));
      return kJobFailed;
    }
    if (!stop_.stop_requested()) {
      CONSILIUM_ASSIGN(const crypto::Digest federated, simulator_->put_model(result_.model));
      auto compared = simulator_->compare_personal(job_, federated, *status_.model, stop_.get_token());
      if (!compared) {
        fmt::print(
            stderr,
            "consilium: warning: the fine-tuned model is kept, but couldn't be compared with the federation's: {}\n",
            compared.error().message);
      } else {
        comparison_ = *std::move(compared);
      }
    }
    return tell();
  }

 private:
  Result<void> prepare() {
    std::error_code code;
    if (std::filesystem::exists(std::filesystem::path(options_.out) / report::kReportFile, code)) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("--out {}: already holds a report; name another folder", options_.out));
    }
    CONSILIUM_ASSIGN(result_, report::read_result_folder(options_.result));
    CONSILIUM_TRY(report::check_complete(result_));
    CONSILIUM_ASSIGN(simulation::SimulatedSite site, simulation::read_site_file(options_.data));
    CONSILIUM_ASSIGN(job_.spec, own_job(result_.spec, site.name));
    CONSILIUM_ASSIGN(manifest_, model::build_manifest(job_.spec.model));
    job_.initial_weights = result_.model;
    job_.spec.initial_weights_digest = crypto::sha256(std::as_bytes(std::span(result_.model)));
    job_.sites = {site};
    CONSILIUM_ASSIGN(job_.atlas, atlas_of(options_, job_.spec));
    CONSILIUM_ASSIGN(auto config, simulator_config(options_, {site.data.path}));
    config.workers = 1;
    CONSILIUM_ASSIGN(simulator_, simulation::Simulator::create(std::move(config)));
    return {};
  }

  /// Returns the federation's job, adapted for one site to continue it.
  Result<job::JobSpec> own_job(const job::JobSpec& federated, const std::string& site) const {
    job::JobSpec spec = job::without_masks(federated);
    spec.federation = {};
    spec.federation.rounds = options_.epochs;
    spec.federation.sites = {site};
    spec.strategy = {};
    spec.training.local_epochs = 1;
    spec.training.time_limit.reset();
    spec.training.optimizer.learning_rate =
        options_.learning_rate.value_or(kGentler * spec.training.optimizer.learning_rate);
    spec.training.schedule = {};
    const std::vector<std::string_view> metrics = task::metric_names(spec.task);
    if (spec.evaluation.metric.empty()) spec.evaluation.metric = metrics.front();
    spec.evaluation.every = 1;
    spec.evaluation.split = job::Split::kVal;
    spec.evaluation.patience = options_.patience;
    spec.evaluation.keep_best = true;
    spec.evaluation.alone = false;
    if (!options_.freeze.empty()) {
      const std::set<std::string> words(options_.freeze.begin(), options_.freeze.end());
      spec.model.frozen.assign(words.begin(), words.end());
    }
    spec.model.local.clear();  // one site's model is entirely its own
    spec.readers.clear();
    return spec;
  }

  Result<void> train() {
    LiveView view(stdout, std::string(job::name_of(job_.spec.evaluation.split)),
                  options_.json ? ViewMode::kJson : ViewMode::kQuiet);
    std::size_t told = 0;
    const auto changed = [&](const report::JobStatus& status) {
      view.update(status);
      for (; !options_.json && told < status.history.size(); ++told) tell_epoch(status.history[told]);
    };
    CONSILIUM_ASSIGN(status_, simulator_->federate(job_, changed, stop_.get_token()));
    changed(status_);
    view.leave();
    if (!options_.json) fmt::print("{}\n", state_in_words(status_));
    return {};
  }

  void tell_epoch(const report::RoundRecord& epoch) const {
    const double left = static_cast<double>(options_.epochs - epoch.round) * (epoch.seconds + epoch.evaluation_seconds);
    fmt::print("epoch {}/{}  train loss {:.4f}  {}{}\n", epoch.round, options_.epochs, epoch.train_loss.value_or(0.0),
               epoch.metrics ? fmt::format("val loss {:.4f}  {}", epoch.metrics->value_of(task::kLossMetric),
                                           headlines_text(*epoch.metrics))
                             : "no validation examples",
               left < 2.0 ? "" : fmt::format("  ETA {}", format_duration(left)));
    std::fflush(stdout);
  }

  Result<int> tell() {
    CONSILIUM_ASSIGN(const ParameterVector model, simulator_->model(*status_.model, manifest_));
    const report::Report written{.spec = job_.spec,
                                 .status = status_,
                                 .comparison = comparison_,
                                 .versions = {{"consilium", kVersion}, {"trainer", simulator_->trainer_software()}},
                                 .masking = {}};
    CONSILIUM_TRY(report::write_report_folder(options_.out, written, manifest_, model));
    if (options_.json) {
      fmt::print("{{\"event\":\"result\",\"phase\":\"{}\",\"model\":\"{}\",\"comparison\":{}}}\n",
                 report::name_of(status_.phase), crypto::to_hex(*status_.model), report::comparison_json(comparison_));
    } else {
      for (const std::string& line : comparison_lines(comparison_)) fmt::print("{}\n", line);
      fmt::print("model and report: {}\n", options_.out);
    }
    if (!stop_.stop_requested()) return kSuccess;
    fmt::print(stderr, "consilium: interrupted after epoch {} of {}; the two models weren't compared\n",
               status_.history.size(), options_.epochs);
    return kInterrupted;
  }

  PersonalizeOptions options_;
  process::Termination termination_;
  std::stop_source stop_;
  report::ResultFolder result_;
  simulation::Simulator::Job job_;
  ParameterManifest manifest_;
  std::unique_ptr<simulation::Simulator> simulator_;
  report::JobStatus status_;
  report::Comparison comparison_;
};

}  // namespace

void add_personalize(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("personalize", "Fine-tune a federation's model on one site's own data");
  const auto options = std::make_shared<PersonalizeOptions>();
  command->add_option("RESULT_DIR", options->result, "folder that 'fetch' or 'simulate' left")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_option("--data", options->data, "the site's data: an .npz, or a .yaml that describes them")
      ->required()
      ->check(CLI::ExistingFile);
  add_atlas_option(*command, *options);
  command->add_option("--epochs", options->epochs, "largest number of passes over the training split")
      ->capture_default_str()
      ->check(CLI::Range(1U, job::kMaxRounds));
  command
      ->add_option("--patience", options->patience,
                   "epochs without a better validation metric after which training ends")
      ->capture_default_str()
      ->check(CLI::Range(1U, job::kMaxRounds));
  command->add_option("--learning-rate", options->learning_rate, "(default: a tenth of the job's)")
      ->check(CLI::PositiveNumber);
  command->add_option("--freeze", options->freeze, "layers to leave unchanged, as in a job's model.frozen")
      ->delimiter(',');
  command->add_option("--trainer", options->trainer,
                      "trainer to use, instead of consilium-trainer beside this command");
  command->add_option("--device", options->device, "auto, cpu or cuda:N")->capture_default_str();
  command->add_option("--threads", options->threads, "threads of the trainer")
      ->capture_default_str()
      ->check(CLI::Range(1U, 1024U));
  command->add_option("--out", options->out, "folder for the model and the report")->required();
  add_json_option(*command, options->json);
  command->footer(kExamples);
  command->callback([options, &action] { action = [options] { return Personalization(*options).run(); }; });
}

}  // namespace consilium::cli
