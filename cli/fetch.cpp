#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/remote.h"
#include "cli/version.h"

namespace consilium::cli {
namespace {

struct FetchOptions {
  ConnectionOptions connection;
  std::string job_id;
  std::string out;
  bool json = false;
};

Result<int> fetch(const FetchOptions& options) {
  CONSILIUM_ASSIGN(AdminClient client, connect(options.connection));
  CONSILIUM_ASSIGN(FetchedJob fetched, fetch_job(client, options.job_id));
  fetched.report.versions["consilium"] = kVersion;
  CONSILIUM_TRY(report::write_report_folder(options.out, fetched.report, fetched.manifest, fetched.model));
  if (options.json) {
    nlohmann::ordered_json files;
    for (const char* name : {report::kModelFile, report::kReportFile, report::kMetricsFile, report::kCurvesFile}) {
      files.push_back((std::filesystem::path(options.out) / name).string());
    }
    fmt::print("{}\n", nlohmann::ordered_json{{"job_id", options.job_id},
                                              {"phase", report::name_of(fetched.report.status.phase)},
                                              {"rounds", fetched.report.status.history.size()},
                                              {"files", files}}
                           .dump());
  } else {
    fmt::print("{}: {} rounds, {}, {}, {} and {} in {}\n", options.job_id, fetched.report.status.history.size(),
               report::kModelFile, report::kReportFile, report::kMetricsFile, report::kCurvesFile, options.out);
  }
  return kSuccess;
}

}  // namespace

void add_fetch(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("fetch", "Fetch a job's last model and its report");
  const auto options = std::make_shared<FetchOptions>();
  command->add_option("JOB_ID", options->job_id, "as 'consilium jobs' lists it")->required();
  command->add_option("--out", options->out, "folder for model.safetensors, report.json, metrics.csv, curves.svg")
      ->required();
  add_connection_options(*command, options->connection);
  add_json_option(*command, options->json);
  command->footer("Example:\n  consilium fetch chest-xray-1 --out results");
  command->callback([options, &action] { action = [options] { return fetch(*options); }; });
}

}  // namespace consilium::cli
