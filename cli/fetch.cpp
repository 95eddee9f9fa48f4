#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/live_view.h"
#include "cli/remote.h"
#include "common/files/files.h"

namespace consilium::cli {
namespace {

struct FetchOptions {
  ConnectionOptions connection;
  std::string job_id;
  std::string out;
  bool json = false;
};

/// Largest report.json that is read, in bytes.
constexpr std::size_t kLargestReport = 64 << 20;

/// Refuses a folder that holds the model and report of another job, which would be overwritten.
Result<void> check_folder(const FetchOptions& options) {
  const auto text = files::read_file(std::filesystem::path(options.out) / report::kReportFile, kLargestReport);
  if (!text) return {};
  const nlohmann::json there = nlohmann::json::parse(*text, nullptr, false);
  const std::string job_id = there.is_object() && there.contains("job_id") && there["job_id"].is_string()
                                 ? there["job_id"].get<std::string>()
                                 : options.job_id;
  if (job_id == options.job_id) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("--out: {} holds the model and report of {}, which would be overwritten; name another folder",
                          options.out, printable(job_id)));
}

Result<int> fetch(const FetchOptions& options) {
  CONSILIUM_TRY(check_folder(options));
  CONSILIUM_ASSIGN(AdminClient client, connect(options.connection));
  CONSILIUM_ASSIGN(const FetchedJob fetched, fetch_job(client, options.job_id));
  CONSILIUM_TRY(report::write_report_folder(options.out, fetched.report, fetched.manifest, fetched.model));
  if (options.json) {
    nlohmann::ordered_json files;
    for (const char* name :
         {report::kModelFile, report::kReportFile, report::kPageFile, report::kMetricsFile, report::kCurvesFile}) {
      files.push_back((std::filesystem::path(options.out) / name).string());
    }
    fmt::print("{}\n", nlohmann::ordered_json{{"job_id", options.job_id},
                                              {"phase", report::name_of(fetched.report.status.phase)},
                                              {"rounds", fetched.report.status.history.size()},
                                              {"files", files}}
                           .dump());
  } else {
    fmt::print("{}: {} rounds, {}, {}, {}, {} and {} in {}\n", options.job_id, fetched.report.status.history.size(),
               report::kModelFile, report::kReportFile, report::kPageFile, report::kMetricsFile, report::kCurvesFile,
               options.out);
  }
  return kSuccess;
}

}  // namespace

void add_fetch(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("fetch", "Fetch a job's last model and its report");
  const auto options = std::make_shared<FetchOptions>();
  command->add_option("JOB_ID", options->job_id, "as 'consilium jobs' lists it")->required();
  command
      ->add_option("--out", options->out,
                   "folder for model.safetensors, report.json, report.html, metrics.csv, curves.svg")
      ->required();
  add_connection_options(*command, options->connection);
  add_json_option(*command, options->json);
  command->footer("Example:\n  consilium fetch chest-xray-1 --out results");
  command->callback([options, &action] { action = [options] { return fetch(*options); }; });
}

}  // namespace consilium::cli
