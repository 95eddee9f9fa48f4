#include "client/trainer/standalone.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "client/trainer/described_data.h"
#include "client/trainer/device.h"
#include "client/trainer/interrupt.h"
#include "client/trainer/progress_line.h"
#include "client/trainer/training/evaluation.h"
#include "client/trainer/training/local_training.h"
#include "client/trainer/workspace.h"
#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "common/model/starting_weights.h"
#include "common/parameters/safetensors.h"
#include "common/report/report_files.h"
#include "common/task/class_balance.h"

namespace consilium::trainer {
namespace {

constexpr std::uint32_t kEvaluationBatch = 256;

/// A job with its data loaded and its model built.
struct Bench {
  job::JobSpec job;
  ParameterManifest manifest;
  Workspace workspace;
  Prepared prepared;
};

Result<Bench> set_up(const StandaloneOptions& options, std::shared_ptr<data::ImageDecoder> decoder) {
  CONSILIUM_ASSIGN(job::JobSpec spec, job::read_job(options.job));
  CONSILIUM_ASSIGN(ParameterManifest manifest, model::build_manifest(spec.model));
  CONSILIUM_ASSIGN(const at::Device device, set_up_device(options.device, options.threads));
  if (device.is_cuda()) {
    fmt::print(stderr, "consilium-trainer: {}\n", precision_of(device));
  }
  std::shared_ptr<data::ScratchFile> scratch;
  if (!options.scratch.empty()) {
    CONSILIUM_ASSIGN(scratch, data::ScratchFile::create_in(options.scratch, options.scratch_bytes));
  }
  Bench bench{.job = std::move(spec),
              .manifest = std::move(manifest),
              .workspace = Workspace(device, Workspace::kCachedBytes, std::move(decoder), std::move(scratch)),
              .prepared = {}};
  CONSILIUM_ASSIGN(DataSource source, data_source_of(options.data));
  if (bench.job.data.augment) source.augment = *bench.job.data.augment;
  CONSILIUM_ASSIGN(auto atlas, atlas_file(bench.job, options.atlas));
  Prepare request{.model = bench.job.model,
                  .data = source,
                  .normalize = job::input_normalization(bench.job),
                  .parameter_count = bench.manifest.parameter_count(),
                  .task = bench.job.task,
                  .loss = task::with_weights(bench.job.training.loss, bench.job.task.kind, {}),
                  .precision = bench.job.training.precision,
                  .atlas = std::move(atlas)};
  CONSILIUM_ASSIGN(bench.prepared, bench.workspace.prepare(request));
  if (bench.job.training.loss.balanced && bench.prepared.train_examples > 0) {
    const task::LabelCounts labels{bench.prepared.train_examples, bench.prepared.class_examples};
    request.loss = task::with_weights(bench.job.training.loss, bench.job.task.kind, labels);
    CONSILIUM_ASSIGN(bench.prepared, bench.workspace.prepare(request));
  }
  watch_interrupt();
  return bench;
}

Hooks hooks_for(ProgressLine& line) {
  Hooks hooks;
  hooks.cancelled = is_interrupted;
  hooks.progress = [&line](const Progress& progress) { line.show(progress); };
  return hooks;
}

Result<ParameterVector> start_weights(const TrainOptions& options, const Bench& bench) {
  if (options.start) {
    return read_safetensors(*options.start, bench.manifest);
  }
  if (bench.job.initial_weights) {
    const job::JobSpec& job = bench.job;
    CONSILIUM_ASSIGN(model::StartingWeights weights,
                     model::read_starting_weights(*job.initial_weights, job.model, job.replaced_layers, job.seed));
    fmt::print(stderr, "initial weights: {}\n", model::in_words(weights, *job.initial_weights));
    return std::move(weights.parameters);
  }
  return model::initial_weights(bench.job.model, bench.job.seed);
}

Train request_for(const TrainOptions& options, const job::JobSpec& job) {
  Train request;
  request.site = std::filesystem::path(options.data).stem().string();
  request.round = 1;
  request.seed = job.seed;
  request.local_epochs = options.epochs.value_or(job.training.local_epochs);
  request.batch_size = job.training.batch_size;
  request.optimizer = job.training.optimizer;
  request.optimizer.learning_rate = job::learning_rate_at(job, 1);
  request.gradient_clip = job.training.gradient_clip.value_or(0.0);
  request.learning_rates = job.training.learning_rates;
  if (job.training.time_limit) {
    request.time_limit_ms = static_cast<std::uint64_t>(job.training.time_limit->count());
  }
  return request;
}

void print_trained(const TrainOptions& options, const Trained& trained, std::uint64_t examples) {
  if (options.json) {
    const nlohmann::json record{{"model", options.out.string()}, {"examples", examples},
                                {"epochs", trained.epochs_done}, {"mean_loss", trained.mean_loss},
                                {"seconds", trained.seconds},    {"partial", trained.partial}};
    fmt::print("{}\n", record.dump());
    return;
  }
  fmt::print("trained {} epoch{} on {} examples in {:.1f} s{}, mean loss {:.4f}\nmodel: {}\n", trained.epochs_done,
             trained.epochs_done == 1 ? "" : "s", examples, trained.seconds,
             trained.partial ? " (until the time limit)" : "", trained.mean_loss, options.out.string());
}

void print_metrics(const task::Metrics& metrics, std::string_view split) {
  fmt::print("{} examples of {}\n", metrics.examples, split);
  for (const task::Metric& metric : metrics.values) {
    const std::string bound = metric.error == 0.0 ? "" : fmt::format(" (+- {:.4f})", metric.error);
    fmt::print("{} {:.4f}{}\n", task::heading_of(metric.name), metric.value, bound);
  }
  for (const task::CountTable& table : metrics.tables) {
    fmt::print("{}:\n", task::heading_of(table.name));
    for (std::size_t row = 0; row < table.rows; ++row) {
      fmt::print("  {}\n", fmt::join(std::span(table.counts).subspan(row * table.columns, table.columns), " "));
    }
  }
}

}  // namespace

Result<void> run_train(const TrainOptions& options, std::shared_ptr<data::ImageDecoder> decoder) {
  CONSILIUM_ASSIGN(Bench bench, set_up(options, std::move(decoder)));
  CONSILIUM_ASSIGN(ParameterVector weights, start_weights(options, bench));
  const Train request = request_for(options, bench.job);
  ParameterVector delta(weights.size());
  Trained trained;
  {
    ProgressLine line("training", static_cast<double>(bench.prepared.train_examples) * request.local_epochs);
    CONSILIUM_ASSIGN(trained, train(*bench.workspace.network(), bench.workspace.task(), bench.workspace.training(),
                                    request, weights, delta, hooks_for(line)));
  }
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] += delta[i];
  }
  CONSILIUM_TRY(write_safetensors(options.out, bench.manifest, weights,
                                  {{"software", software_name()}, {"job", bench.job.name}}));
  print_trained(options, trained, bench.prepared.train_examples);
  return {};
}

Result<void> run_evaluate(const EvaluateOptions& options, std::shared_ptr<data::ImageDecoder> decoder) {
  CONSILIUM_ASSIGN(Bench bench, set_up(options, std::move(decoder)));
  CONSILIUM_ASSIGN(const ParameterVector weights, read_safetensors(options.model, bench.manifest));
  const LearningTask& task = bench.workspace.task();
  const ExampleSource& examples = bench.workspace.split(options.split);
  if (examples.size() == 0) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: the split '{}' holds no examples; choose another with --split", options.data,
                            job::name_of(options.split)));
  }
  std::vector<std::uint64_t> counts(task.task().evaluation_elements());
  {
    ProgressLine line("evaluating", static_cast<double>(examples.size()));
    CONSILIUM_TRY(
        evaluate(*bench.workspace.network(), task, examples, kEvaluationBatch, weights, counts, hooks_for(line)));
  }
  CONSILIUM_ASSIGN(const task::Metrics metrics, task.task().metrics(counts));
  if (options.json) {
    fmt::print("{}\n", report::metrics_json(metrics));
  } else {
    print_metrics(metrics, job::name_of(options.split));
  }
  return {};
}

}  // namespace consilium::trainer
