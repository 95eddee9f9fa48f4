#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/command.h"
#include "common/onnx/onnx_file.h"
#include "common/parameters/safetensors.h"
#include "common/report/report_files.h"
#include "common/report/result_folder.h"

namespace consilium::cli {
namespace {

using nlohmann::ordered_json;

struct ExportOptions {
  std::string from;
  std::string job;
  std::string format;
  std::string output;
  bool force = false;
  bool json = false;
};

/// The inputs and outputs of the written file, as people and programs need to know them.
struct Ports {
  onnx::NamedShape input;
  std::vector<onnx::NamedShape> outputs;
};

Result<Ports> ports_of(const job::JobSpec& job) {
  CONSILIUM_ASSIGN(const model::Graph graph, model::expand(job.model));
  return Ports{onnx::input_of(job), onnx::outputs_of(job, graph)};
}

std::filesystem::path output_of(const ExportOptions& options, const job::JobSpec& job) {
  return options.output.empty() ? job.name + "." + options.format : options.output;
}

Result<void> check_output(const std::filesystem::path& file, bool force) {
  std::error_code code;
  const auto status = std::filesystem::symlink_status(file, code);
  if (std::filesystem::is_directory(status))
    return refuse(fmt::format("--output: {} is a folder; expected the name of a file to write", file.string()));
  if (!std::filesystem::exists(status) || force) return {};
  return fail(ErrorCode::kAlreadyExists,
              fmt::format("--output: {} already exists; name another file, or replace it with --force", file.string()));
}

Result<void> write(const std::filesystem::path& file, const report::ResultFolder& result, const std::string& format) {
  auto metadata = report::metadata_of(result, "consilium " CONSILIUM_VERSION);
  if (format == "onnx") return onnx::write_onnx(file, result.spec, result.manifest, result.model, metadata);
  metadata["format"] = "pt";  // Python's safetensors expects this in a file from PyTorch
  return write_safetensors(file, result.manifest, result.model, metadata);
}

ordered_json json_of(const onnx::NamedShape& port) {
  ordered_json shape{"N"};
  for (const std::int64_t size : port.shape) shape.push_back(size);
  return {{"name", port.name}, {"shape", std::move(shape)}};
}

std::string text_of(const onnx::NamedShape& port) {
  return fmt::format("{} [N, {}]", port.name, fmt::join(port.shape, ", "));
}

void print(const ExportOptions& options, const report::ResultFolder& result, const std::filesystem::path& file,
           const Ports& ports) {
  if (options.json) {
    ordered_json outputs = ordered_json::array();
    for (const onnx::NamedShape& output : ports.outputs) outputs.push_back(json_of(output));
    const ordered_json printed = {{"job", result.spec.name},
                                  {"round", result.round ? ordered_json(*result.round) : ordered_json(nullptr)},
                                  {"format", options.format},
                                  {"file", file.string()},
                                  {"parameters", result.model.size()},
                                  {"inputs", {json_of(ports.input)}},
                                  {"outputs", std::move(outputs)}};
    fmt::print("{}\n", printed.dump());
    return;
  }
  std::vector<std::string> outputs;
  for (const onnx::NamedShape& output : ports.outputs) outputs.push_back(text_of(output));
  fmt::print("{}: the model of {}{}, {} parameters\n", file.string(), result.spec.name,
             result.round ? fmt::format(" after round {}", *result.round) : std::string(), result.model.size());
  fmt::print("input: {}\noutput: {}\n", text_of(ports.input), fmt::join(outputs, ", "));
}

/// Reads the model. Says what to do if it has no report, if its job failed, or if hospitals hold the rest of it.
Result<report::ResultFolder> read_result(const ExportOptions& options) {
  if (!options.job.empty()) return report::read_result_folder(options.from, options.job);
  const std::filesystem::path from = options.from;
  const std::filesystem::path report = from.parent_path() / report::kReportFile;
  std::error_code code;
  if (std::filesystem::is_regular_file(from, code) && !std::filesystem::exists(report, code)) {
    return refuse(
        fmt::format("{}: found no {} beside it to tell which job's model it is; name the job's file with --job",
                    options.from, report::kReportFile));
  }
  CONSILIUM_ASSIGN(report::ResultFolder result, report::read_result_folder(from));
  if (result.failure) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("{}: its report says that the job '{}' has failed ({}); to export the last model anyway, "
                            "name {} itself, and the job's file with --job",
                            options.from, result.spec.name, *result.failure, report::kModelFile));
  }
  CONSILIUM_TRY(report::check_complete(result));
  return result;
}

Result<int> export_model(const ExportOptions& options) {
  CONSILIUM_ASSIGN(const report::ResultFolder result, read_result(options));
  CONSILIUM_ASSIGN(const Ports ports, ports_of(result.spec));
  const std::filesystem::path file = output_of(options, result.spec);
  CONSILIUM_TRY(check_output(file, options.force));
  CONSILIUM_TRY(write(file, result, options.format));
  print(options, result, file, ports);
  return kSuccess;
}

}  // namespace

void add_export(CLI::App& app, Action& action) {
  CLI::App* command =
      app.add_subcommand("export", "Write a job's model for other programs: ONNX, or PyTorch's safetensors");
  const auto options = std::make_shared<ExportOptions>();
  command
      ->add_option("FROM", options->from,
                   "a folder that fetch, simulate or sandbox left, or the safetensors file of a model")
      ->required()
      ->type_name("RESULT_DIR|MODEL");
  command->add_option("--format", options->format, "onnx or safetensors")
      ->required()
      ->check(CLI::IsMember({"onnx", "safetensors"}));
  command->add_option("--output,--out", options->output, "the file to write (default: JOB.onnx or JOB.safetensors)")
      ->type_name("FILE");
  command->add_option("--job", options->job, "the model's job, if there is no report.json beside the model")
      ->type_name("JOB.yaml");
  command->add_flag("--force", options->force, "replace an existing file");
  add_json_option(*command, options->json);
  command->footer(
      "An ONNX file takes images as the data sets hold them (bytes divided by 255) and normalises them itself; "
      "a\nsafetensors file holds only the tensors, and its metadata describe the normalisation.\n\n"
      "Examples:\n"
      "  consilium export results --format onnx --output chest-xray.onnx\n"
      "  consilium export results --format safetensors\n"
      "  consilium export model.safetensors --job job.yaml --format onnx");
  command->callback([options, &action] { action = [options] { return export_model(*options); }; });
}

}  // namespace consilium::cli
