#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stop_token>

#include "cli/command.h"
#include "cli/job_file.h"
#include "cli/remote.h"
#include "cli/wait_for_sites.h"
#include "common/config/scalars.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/process/termination.h"

namespace consilium::cli {
namespace {

struct SubmitOptions {
  ConnectionOptions connection;
  std::string job;
  std::string roster;
  std::string valid_for = "7d";
  std::string wait_for;
  std::string timeout;
  bool watch = false;
  bool json = false;
};

/// Reads how long a signature is valid: at least a minute, at most a year.
Result<std::chrono::seconds> read_validity(const std::string& text) {
  const auto duration = config::to_duration(text);
  if (duration && *duration >= std::chrono::minutes(1) && *duration <= std::chrono::days(365))
    return std::chrono::duration_cast<std::chrono::seconds>(*duration);
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("--valid-for: expected 1m to 365d, e.g. 12h or 7d, found {}", config::in_quotes(text)));
}

Result<std::optional<std::chrono::seconds>> read_timeout(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto duration = config::to_duration(text);
  if (duration && *duration >= std::chrono::seconds(1))
    return std::chrono::duration_cast<std::chrono::seconds>(*duration);
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("--timeout: expected at least 1s, e.g. 10m, found {}", config::in_quotes(text)));
}

void print_submitted(const SubmitOptions& options, const JobFile& job, const std::string& job_id) {
  if (options.json) {
    fmt::print("{}\n",
               nlohmann::json{{"job_id", job_id}, {"job_digest", crypto::to_hex(job::job_digest(job.spec))}}.dump());
  } else {
    fmt::print("{}\n", job_id);
    if (job::is_masked(job.spec) && !job.spec.population) {
      fmt::print(stderr,
                 "mode masked-threshold, as the roster has it: rounds go on without hospitals that drop out, which "
                 "promises less than sums over whole groups\n");
    }
    if (!options.watch) fmt::print(stderr, "submitted; follow it with: consilium watch {}\n", job_id);
  }
  std::fflush(stdout);  // because watching the job can take days
}

/// Reads the job and the files that it names, and adds the roster. The job is checked here first, so that a mistake is
/// found without a coordinator.
Result<JobFile> read_input(const SubmitOptions& options) {
  CONSILIUM_ASSIGN(JobFile job, read_job_file(options.job));
  if (!options.roster.empty()) CONSILIUM_TRY(fill_roster(job, options.job, options.roster));
  if (const auto masked = job::check_masked(job.spec); !masked)
    return fail(masked.error().within(std::filesystem::path(options.job).filename().string()));
  return job;
}

Result<int> submit(const SubmitOptions& options) {
  auto read = read_input(options);
  // Every kind of error here is a mistake in the researcher's input: exit code 2.
  if (!read) return fail(ErrorCode::kInvalidArgument, read.error().message);
  const JobFile job = *std::move(read);
  if (!job.weights_in_words.empty()) fmt::print(stderr, "initial weights: {}\n", job.weights_in_words);
  CONSILIUM_ASSIGN(const std::chrono::seconds valid_for, read_validity(options.valid_for));
  std::optional<WantedSites> wanted;
  if (!options.wait_for.empty()) {
    CONSILIUM_ASSIGN(wanted, read_wanted_sites(options.wait_for, job.spec));
  }
  CONSILIUM_ASSIGN(const auto timeout, read_timeout(options.timeout));
  std::stop_source stop;
  std::optional<process::Termination> termination;
  if (options.watch || wanted) termination.emplace().on_signal([&stop] { stop.request_stop(); });
  CONSILIUM_ASSIGN(AdminClient client, connect(options.connection));
  if (wanted) CONSILIUM_TRY(wait_for_sites(client, *wanted, timeout, stop.get_token()));
  CONSILIUM_ASSIGN(const std::string job_id, submit_job(client, job, valid_for));
  print_submitted(options, job, job_id);
  return options.watch ? watch_job(client, job_id, options.json, stop.get_token()) : Result<int>(kSuccess);
}

}  // namespace

void add_submit(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("submit", "Submit a job; prints its id");
  const auto options = std::make_shared<SubmitOptions>();
  command->add_option("JOB.yaml", options->job, "the job")->required()->check(CLI::ExistingFile);
  command
      ->add_option("--roster", options->roster,
                   "the sites' keys, for a job with secure aggregation: what 'consilium ca roster' writes")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--valid-for", options->valid_for,
                   "how long hospitals may be offered the job for the first time, e.g. 12h or 7d")
      ->capture_default_str();
  command->add_flag("--watch", options->watch, "follow the job until it ends, and exit as 'consilium watch' does");
  CLI::Option* wait =
      command->add_option("--wait-for", options->wait_for,
                          "submit when these sites are connected and idle: names (north,south) or a number");
  command->add_option("--timeout", options->timeout, "stop waiting for them after this time, e.g. 10m (default: never)")
      ->needs(wait);
  add_connection_options(*command, options->connection);
  add_json_option(*command, options->json);
  command->footer(
      "Examples:\n  consilium submit job.yaml --roster roster.yaml\n"
      "  consilium submit job.yaml --roster roster.yaml --watch\n"
      "  consilium submit job.yaml --roster roster.yaml --wait-for north,south,west --timeout 30m --watch\n"
      "  consilium submit job.yaml --roster roster.yaml --wait-for 3\n"
      "A job that says privacy: {secure_aggregation: off} needs no roster.");
  command->callback([options, &action] { action = [options] { return submit(*options); }; });
}

}  // namespace consilium::cli
