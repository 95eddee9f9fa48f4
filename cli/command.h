#pragma once

#include <functional>
#include <string>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::cli {

/// What `consilium` exits with (docs/researcher/command.md).
enum ExitCode : int {
  kSuccess = 0,
  kFailure = 1,        ///< something went wrong; stderr says what, and what to do next
  kUsage = 2,          ///< the command line or a file it names isn't valid
  kJobFailed = 3,      ///< the job ended as failed
  kJobStopped = 4,     ///< the job was stopped before its last round
  kUnreachable = 5,    ///< no coordinator there, or it doesn't accept the certificate
  kRefused = 6,        ///< the coordinator understood and said no
  kInterrupted = 130,  ///< Ctrl-C
};

/// The exit code that a failure stands for.
[[nodiscard]] int exit_code_of(const Error& error);

/// What a subcommand does once its arguments are parsed; the value is the exit code.
using Action = std::function<Result<int>()>;

/// Declares every subcommand; the one that the command line names puts what it does into `action`, which outlives
/// `app`.
void add_commands(CLI::App& app, Action& action);

/// Parses the command line and runs what it names. Returns the exit code; errors go to stderr as "consilium: ...".
int run(int argc, const char* const* argv);

// One declaration a subcommand, each in the file of its name.
void add_submit(CLI::App& app, Action& action);
void add_jobs(CLI::App& app, Action& action);
void add_watch(CLI::App& app, Action& action);
void add_fetch(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_report(CLI::App& app, Action& action);
void add_personalize(CLI::App& app, Action& action);
void add_stop(CLI::App& app, Action& action);
void add_remove(CLI::App& app, Action& action);
void add_sites(CLI::App& app, Action& action);
void add_simulate(CLI::App& app, Action& action);
void add_sandbox(CLI::App& app, Action& action);
void add_completion(CLI::App& app, Action& action);
void add_version(CLI::App& app, Action& action);

/// Adds the --json switch.
void add_json_option(CLI::App& command, bool& json);

}  // namespace consilium::cli
