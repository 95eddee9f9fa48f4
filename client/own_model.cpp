#include "client/own_model.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <span>
#include <string>

#include "client/daemon_config.h"
#include "client/session/local_tensors.h"
#include "common/files/files.h"
#include "common/job/job_text.h"
#include "common/parameters/safetensors.h"
#include "common/report/report_files.h"
#include "common/report/result_folder.h"

namespace consilium::client {
namespace {

constexpr const char* kExamples =
    "A job whose model.local names layers (normalization, as in FedBN) leaves them to each hospital, so the model that "
    "a researcher\nfetches lacks them. They are in this client's state_dir, and this command adds them. The folder "
    "that it makes can be used\nlike a fetched one: for consilium-trainer predict, consilium export and consilium "
    "personalize.\n\n"
    "Examples:\n"
    "  consilium-client own-model results --out ours\n"
    "  consilium-client own-model results --config /etc/consilium/client.yaml --out ours";

struct Options {
  std::string config = kDefaultConfigFile;
  std::string result;
  std::string out;
  bool json = false;
};

/// Writes the federation's report of the job, changed to describe this site's model.
Result<void> write_report(const Options& options, const std::string& site, const crypto::Digest& model) {
  const std::filesystem::path from = std::filesystem::path(options.result) / report::kReportFile;
  CONSILIUM_ASSIGN(const std::string text, files::read_file(from, report::kMostReportBytes));
  auto report = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!report.is_object()) return fail(ErrorCode::kInvalidArgument, from.string() + ": expected a report of a job");
  report["model"] = crypto::to_hex(model);
  report[report::kLocalLayersOf] = site;
  const std::string written = report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  return files::replace_file(std::filesystem::path(options.out) / report::kReportFile,
                             std::as_bytes(std::span(written)), files::Access::kUmask);
}

Result<int> run(const Options& options, std::ostream& out) {
  std::error_code code;
  if (std::filesystem::exists(options.out, code)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("--out {}: already exists; name another folder", options.out));
  }
  CONSILIUM_ASSIGN(const ClientConfig config, read_client_config(options.config));
  CONSILIUM_ASSIGN(report::ResultFolder result, report::read_result_folder(options.result));
  if (result.manifest.local_size() == 0) {
    return fail(
        ErrorCode::kFailedPrecondition,
        fmt::format("{}: the job leaves no layers to its sites (model.local), so the model is complete as it is",
                    options.result));
  }
  const crypto::Digest job = job::job_digest(result.spec);
  const session::LocalTensors local(config.state_dir / "local");
  CONSILIUM_ASSIGN(const bool trained, local.put_into(job, result.manifest, session::kAnyRound, result.model));
  if (!trained) {
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: holds nothing of the job {} ({}), because this site hasn't trained in it",
                            (config.state_dir / "local").string(), result.spec.name, crypto::to_hex(job)));
  }
  std::filesystem::create_directories(options.out, code);
  if (code) return fail(ErrorCode::kInvalidArgument, fmt::format("--out {}: {}", options.out, code.message()));
  const crypto::Digest model = crypto::sha256(std::as_bytes(std::span(result.model)));
  CONSILIUM_TRY(write_safetensors(
      std::filesystem::path(options.out) / report::kModelFile, result.manifest, result.model,
      {{"format", "pt"}, {"job", result.spec.name}, {"job_digest", crypto::to_hex(job)}, {"site", config.site}}));
  CONSILIUM_TRY(write_report(options, config.site, model));
  const auto tensors = std::ranges::count_if(result.manifest.tensors(), [](const TensorInfo& t) { return t.local; });
  if (options.json) {
    out << nlohmann::json{{"folder", options.out}, {"model", crypto::to_hex(model)}, {"tensors", tensors}}.dump()
        << '\n';
  } else {
    out << fmt::format("{}: the federation's model with {} tensors of this site's own\n", options.out, tensors);
  }
  return 0;
}

}  // namespace

void add_own_model_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out) {
  CLI::App* command =
      app.add_subcommand("own-model", "Add the layers that a job left to this site to the federation's model");
  const auto options = std::make_shared<Options>();
  command->add_option("RESULT_DIR", options->result, "folder with the job's report.json and model.safetensors")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_option("--config", options->config, "the client's configuration")->capture_default_str();
  command->add_option("--out", options->out, "the folder to make")->required();
  command->add_flag("--json", options->json, "print JSON");
  command->footer(kExamples);
  command->callback([options, &action, &out] { action = [options, &out] { return run(*options, out); }; });
}

}  // namespace consilium::client
