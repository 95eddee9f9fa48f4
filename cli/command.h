#pragma once

#include <functional>
#include <string>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::cli {

/// Exit codes of `consilium` (docs/researcher/command.md).
enum ExitCode : int {
  kSuccess = 0,
  kFailure = 1,        ///< something failed; stderr says what, and what to do next
  kUsage = 2,          ///< the command line, or a file that it names, isn't valid
  kJobFailed = 3,      ///< the job ended as failed
  kJobStopped = 4,     ///< the job was stopped before its last round
  kUnreachable = 5,    ///< no coordinator answers, or it doesn't accept the certificate
  kRefused = 6,        ///< the coordinator understood the request and refused it
  kInterrupted = 130,  ///< Ctrl-C
};

/// Returns the exit code for an error.
[[nodiscard]] int exit_code_of(const Error& error);

/// The operation of a subcommand, run after its arguments have been parsed. The value is the exit code.
using Action = std::function<Result<int>()>;

/// Declares every subcommand. The one on the command line stores its operation in `action`, which must outlive `app`.
void add_commands(CLI::App& app, Action& action);

/// Parses the command line and runs the subcommand. Returns the exit code; errors go to stderr as "consilium: ...".
int run(int argc, const char* const* argv);

// One declaration for each subcommand, defined in the file of the same name.
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
