#include "client/trainer/command_line.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <string>

#include "client/trainer/decode/process_decoder.h"
#include "client/trainer/described_data.h"
#include "client/trainer/device.h"
#include "client/trainer/inspect.h"
#include "client/trainer/predict/predict.h"
#include "client/trainer/server.h"
#include "client/trainer/standalone.h"
#include "client/trainer/system_call_filter.h"

namespace consilium::trainer {
namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;
constexpr int kIncomplete = 3;
constexpr int kInterrupted = 130;

constexpr const char* kAtlasHelp = "the file of the job's atlas (data.atlas)";
constexpr const char* kDataHelp =
    "an .npz file, a folder of images or of MNIST's idx files, a .yaml file with the keys of datasets.NAME, or "
    "client.yaml:NAME";

constexpr const char* kFooter =
    "Examples:\n"
    "  consilium-trainer inspect pneumoniamnist.npz\n"
    "  consilium-trainer inspect skin.yaml --sheet skin.png\n"
    "  consilium-trainer train job.yaml --data pneumoniamnist.npz --out model.safetensors --epochs 5\n"
    "  consilium-trainer evaluate job.yaml --model model.safetensors --data pneumoniamnist.npz --split test --json\n"
    "  consilium-trainer predict --model results --input /srv/new-xrays --output predictions\n"
    "Without a command it serves a client daemon on the socket that --socket-fd names "
    "(docs/formats/trainer_protocol.md).\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 (predict) some images couldn't be predicted, 130 "
    "interrupted.";

constexpr const char* kPredictFooter =
    "Examples:\n"
    "  consilium-trainer predict --model results --input /srv/new-xrays --output predictions\n"
    "  consilium-trainer predict --model results --data /etc/consilium/client.yaml:ct --input study7 --output masks "
    "--overlays\n"
    "  consilium-trainer predict --model model.safetensors --job report.json --preprocess ct.yaml --input scan.nii.gz "
    "--output mask\n"
    "What is written: docs/formats/predictions.md. For research; not a medical device.\n"
    "Exit codes: 0 every image predicted, 1 failed, 2 wrong usage or input, 3 some images couldn't be predicted "
    "(predictions.json names them), 130 interrupted.";

int exit_code_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
      return kUsage;
    case ErrorCode::kCancelled:
      return kInterrupted;
    default:
      return kFailure;
  }
}

/// Returns the decoder on the other end of the daemon's socket, or null if there is no socket.
std::shared_ptr<data::ImageDecoder> given_decoder(int socket, unsigned threads) {
  return socket < 0
             ? nullptr
             : std::make_shared<decode::ProcessDecoder>(Descriptor(socket), decode::DecoderLimits{.workers = threads});
}

/// Starts the decoder that is installed beside this program. If it can't be run, prints the reason and returns null.
std::shared_ptr<data::ImageDecoder> installed_decoder(unsigned threads) {
  auto decoder = decode::ProcessDecoder::start_installed({.workers = threads});
  if (!decoder) {
    fmt::print(stderr, "consilium-trainer: image files can't be read: {}\n", decoder.error().message);
    return nullptr;
  }
  return *std::move(decoder);
}

/// Starts the installed decoder for a data set, or returns null if the data are arrays, which are read without it.
std::shared_ptr<data::ImageDecoder> own_decoder(const Result<DataSource>& source, unsigned threads) {
  return source && find_data_type(source->type)->arrays ? nullptr : installed_decoder(threads);
}

/// The options with which a client daemon starts the trainer: descriptors that the daemon has opened, and what to
/// compute with.
struct ServeOptions {
  int socket = -1;
  int decoder = -1;
  int scratch = -1;
  std::uint64_t scratch_bytes = 0;
  std::string device = "auto";
  unsigned threads = 1;
};

/// Takes the file that the daemon has opened; null if there is none.
Result<std::shared_ptr<data::ScratchFile>> given_scratch(const ServeOptions& options) {
  if (options.scratch < 0) return std::shared_ptr<data::ScratchFile>();
  return data::ScratchFile::adopt(Descriptor(options.scratch), options.scratch_bytes);
}

Result<void> serve(const ServeOptions& options) {
  CONSILIUM_ASSIGN(const at::Device device, set_up_device(options.device, options.threads));
  CONSILIUM_ASSIGN(std::shared_ptr<data::ScratchFile> scratch, given_scratch(options));
  if (device.is_cuda()) {
    fmt::print(stderr, "consilium-trainer: {}\n", precision_of(device));
  }
  const Result<void> filtered = deny_calls_after_setup();
  if (!filtered) {
    fmt::print(stderr, "consilium-trainer: {}; the client daemon decides whether to go on\n", filtered.error().message);
  }
  Server server{
      RecordChannel(Descriptor(options.socket)),
      Workspace(device, Workspace::kCachedBytes, given_decoder(options.decoder, options.threads), std::move(scratch))};
  return server.run({.protocol = kProtocolVersion,
                     .software = software_name(),
                     .device = device.str(),
                     .sandboxed = filtered.has_value()});
}

void add_daemon_options(CLI::App& app, ServeOptions& options) {
  const CLI::Range descriptor(0, 1 << 20);
  app.add_option("--socket-fd", options.socket, "descriptor of the socket to the client daemon")->check(descriptor);
  app.add_option("--decoder-fd", options.decoder, "descriptor of the socket to the decoder of images")
      ->check(descriptor);
  app.add_option("--scratch-fd", options.scratch, "descriptor of a file for prepared images beyond loading.cache")
      ->check(descriptor);
  app.add_option("--scratch-size", options.scratch_bytes, "bytes that it may take");
  app.add_option("--device", options.device, "auto, cpu or cuda:N")->capture_default_str();
  app.add_option("--threads", options.threads, "threads to compute with")
      ->check(CLI::Range(1U, 1024U))
      ->capture_default_str();
}

void add_shared(CLI::App& command, StandaloneOptions& options) {
  command.add_option("job", options.job, "job file (YAML)")->required()->type_name("JOB.yaml");
  command.add_option("--data", options.data, kDataHelp)->required()->type_name("FILE");
  command.add_option("--atlas", options.atlas, kAtlasHelp)->type_name("FILE");
  command.add_option("--device", options.device, "auto, cpu or cuda:N")->capture_default_str();
  command.add_option("--threads", options.threads, "threads to compute with")
      ->check(CLI::Range(1U, 1024U))
      ->capture_default_str();
  command
      .add_option("--scratch", options.scratch,
                  "folder of a nameless, encrypted file for prepared images beyond loading.cache")
      ->type_name("FOLDER");
  command.add_option("--scratch-size", options.scratch_bytes, "bytes that it may take, as in 20GiB")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  command.add_flag("--json", options.json, "print JSON for programs");
}

CLI::App* add_inspect(CLI::App& app, InspectOptions& options) {
  CLI::App* command = app.add_subcommand("inspect", "Read every file of a data set and print a summary");
  auto* data = command->add_option("data,--data", options.data, kDataHelp)->type_name("DATASET");
  auto* description = command
                          ->add_option("--description", options.description,
                                       "a description as the client sends it, in place of DATASET")
                          ->type_name("JSON");
  data->excludes(description);
  command->add_option("--sheet", options.sheet, "write a contact sheet that shows masks and boxes")
      ->type_name("SHEET.png");
  command->add_option("--threads", options.threads, "threads to decode with")
      ->check(CLI::Range(1U, 64U))
      ->capture_default_str();
  command->add_flag("--json", options.json, "print JSON for programs");
  command->callback([&options] {
    if (options.data.empty() && options.description.empty()) throw CLI::RequiredError("DATASET");
  });
  return command;
}

CLI::App* add_predict(CLI::App& app, PredictOptions& options) {
  CLI::App* command = app.add_subcommand("predict", "Use a federation's model on images, and write its predictions");
  command->footer(kPredictFooter);
  command->add_option("--model", options.model, "folder of results (consilium fetch), or weights beside --job")
      ->required()
      ->type_name("RESULTS|MODEL.safetensors");
  command->add_option("--job", options.job, "the job of these weights: a job file, or a report.json")
      ->type_name("JOB.yaml|report.json");
  command->add_option("--input", options.input, "a DICOM, NIfTI, PNG, JPEG, TIFF or .npy file, or a folder of them")
      ->required()
      ->type_name("FILE|FOLDER");
  command->add_option("--output", options.output, "folder to make")->required()->type_name("FOLDER");
  auto* data = command
                   ->add_option("--data", options.data,
                                "prepare images like those of this data set: client.yaml:NAME, or a .yaml file with "
                                "the keys of datasets.NAME")
                   ->type_name("DATASET");
  command
      ->add_option("--preprocess", options.preprocess,
                   "prepare images by this .yaml file, which has the keys of datasets.NAME.preprocess; without --data "
                   "and --preprocess, images are resized to the model's input")
      ->type_name("FILE.yaml")
      ->excludes(data);
  command->add_option("--atlas", options.atlas, kAtlasHelp)->type_name("FILE");
  command->add_option("--classes", options.classes, "names of the classes, if the data set has none")
      ->delimiter(',')
      ->type_name("NAME,NAME");
  command->add_flag("--overlays", options.overlays, "write pictures that show the predictions");
  command->add_flag("--force", options.force, "write into a folder that isn't empty");
  command->add_option("--device", options.device, "auto, cpu or cuda:N")->capture_default_str();
  command->add_option("--threads", options.threads, "threads to compute and decode with")
      ->check(CLI::Range(1U, 1024U))
      ->capture_default_str();
  command->add_flag("--json", options.json, "print JSON for programs");
  return command;
}

int finish(const Result<void>& outcome) {
  if (outcome) {
    return 0;
  }
  fmt::print(stderr, "consilium-trainer: {}\n", outcome.error().message);
  return exit_code_of(outcome.error());
}

int finish(const Result<bool>& complete) {
  if (complete) return *complete ? 0 : kIncomplete;
  return finish(Result<void>(fail(complete.error())));
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app("Trains and evaluates models on a site's data, for a client daemon or by itself.", "consilium-trainer");
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("consilium-trainer " CONSILIUM_VERSION));
  ServeOptions daemon;
  add_daemon_options(app, daemon);
  app.require_subcommand(0, 1);

  TrainOptions train;
  CLI::App* train_command = app.add_subcommand("train", "Train a job's model on one data set, without a federation");
  add_shared(*train_command, train);
  train_command->add_option("--out", train.out, "file to write")->required()->type_name("MODEL.safetensors");
  train_command->add_option("--model", train.start, "weights to start from")->type_name("MODEL.safetensors");
  train_command
      ->add_option("--epochs", train.epochs, "passes over the training split (default: the job's local_epochs)")
      ->check(CLI::Range(1U, 1'000'000U));

  EvaluateOptions evaluate;
  const std::map<std::string, job::Split> splits{
      {"train", job::Split::kTrain}, {"val", job::Split::kVal}, {"test", job::Split::kTest}};
  CLI::App* evaluate_command = app.add_subcommand("evaluate", "Print a model's metrics on one split of a data set");
  add_shared(*evaluate_command, evaluate);
  evaluate_command->add_option("--model", evaluate.model, "weights")->required()->type_name("MODEL.safetensors");
  const auto choose = [&](const std::string& name) { evaluate.split = splits.at(name); };
  evaluate_command->add_option_function<std::string>("--split", choose, "train, val or test")
      ->check(CLI::IsMember({"train", "val", "test"}).description(""))
      ->type_name("SPLIT");

  InspectOptions inspect;
  CLI::App* inspect_command = add_inspect(app, inspect);

  PredictOptions predict;
  CLI::App* predict_command = add_predict(app, predict);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  if (train_command->parsed()) {
    return finish(run_train(train, own_decoder(data_source_of(train.data), train.threads)));
  }
  if (evaluate_command->parsed()) {
    return finish(run_evaluate(evaluate, own_decoder(data_source_of(evaluate.data), evaluate.threads)));
  }
  if (inspect_command->parsed()) {
    return finish(run_inspect(inspect, own_decoder(data_source_of(inspect), inspect.threads)));
  }
  if (predict_command->parsed()) {
    return finish(run_predict(predict, installed_decoder(predict.threads)));
  }
  if (daemon.socket < 0) {
    fmt::print(stderr, "{}", app.help());
    return kUsage;
  }
  return finish(serve(daemon));
}

}  // namespace consilium::trainer
