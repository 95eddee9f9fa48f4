#include "cli/command.h"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "cli/ca.h"
#include "cli/version.h"
#include "common/config/nearest.h"

namespace consilium::cli {
namespace {

constexpr const char* kFooter =
    "Begin with:\n"
    "  consilium sandbox examples/chest-xray.yaml --data pneumoniamnist.npz --sites 4 --per-site 80\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 the job failed, 4 the job was stopped,\n"
    "  5 coordinator unreachable, 6 refused, 130 interrupted.";

/// Reports a usage error. CLI11 treats an unknown command as a surplus argument; this names the actual mistake.
int report_usage(const CLI::App& app, const CLI::ParseError& error, int argc, const char* const* argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  std::list<std::string> all;
  const CLI::App* named = nullptr;
  std::vector<std::string_view> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.emplace_back(all.emplace_back(command->get_name()));
    if (command->get_name() == word) named = command;
  }
  if (named == nullptr && !word.empty() && word.front() != '-') {
    const std::string near = config::nearest(word, names);
    fmt::print(stderr, "consilium: unknown command '{}'{} 'consilium --help' lists them\n", word,
               near.empty() ? ";" : fmt::format(", did you mean '{}'?", near));
  } else if (named == nullptr && word.empty()) {
    fmt::print(stderr, "{}", app.help());
  } else {
    fmt::print(stderr, "consilium: {}; see 'consilium {}--help'\n", error.what(),
               named != nullptr ? std::string(word) + " " : std::string());
  }
  return kUsage;
}

}  // namespace

int exit_code_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return kUsage;
    case ErrorCode::kUnavailable:
    case ErrorCode::kUnauthenticated:
      return kUnreachable;
    case ErrorCode::kPermissionDenied:
      return kRefused;
    case ErrorCode::kCancelled:
      return kInterrupted;
    default:
      return kFailure;
  }
}

void add_json_option(CLI::App& command, bool& json) {
  command.add_flag("--json", json, "print JSON for programs (one object, or one a line)");
}

/// Adds `help` and `help COMMAND`, which people type before they think of --help.
void add_help(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("help", "Print the help of a command, or this one");
  const auto name = std::make_shared<std::string>();
  command->add_option("COMMAND", *name, "one of the commands above");
  command->callback([&app, name, &action] {
    action = [&app, name]() -> Result<int> {
      if (name->empty()) {
        fmt::print("{}", app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal));
        return kSuccess;
      }
      const auto named = app.get_subcommands([&](const CLI::App* one) { return one->get_name() == *name; });
      if (named.empty()) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("unknown command '{}'; 'consilium --help' lists them", *name));
      }
      fmt::print("{}", named.front()->help(app.get_name()));
      return kSuccess;
    };
  });
}

void add_commands(CLI::App& app, Action& action) {
  app.require_subcommand(1);
  app.footer(kFooter);
  app.set_version_flag("--version", fmt::format("consilium {}", kVersion), "Print the version and exit");
  add_submit(app, action);
  add_jobs(app, action);
  add_watch(app, action);
  add_fetch(app, action);
  add_export(app, action);
  add_report(app, action);
  add_personalize(app, action);
  add_stop(app, action);
  add_remove(app, action);
  add_sites(app, action);
  add_simulate(app, action);
  add_sandbox(app, action);
  add_ca_command(app, action, std::cin, std::cout);
  add_completion(app, action);
  add_help(app, action);
  add_version(app, action);
}

int run(int argc, const char* const* argv) {
  Action action;
  CLI::App app("Federated learning for hospitals: the researcher's command.", "consilium");
  add_commands(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForVersion& version) {
    return app.exit(version);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    return report_usage(app, error, argc, argv);
  }
  Result<int> code = kFailure;
  int problem = 0;
  try {
    code = action();
  } catch (const std::system_error& error) {
    if (std::ferror(stdout) == 0) throw;  // otherwise fmt::print could not write
    problem = error.code().value();
  }
  if (problem == 0 && (std::fflush(stdout) != 0 || !std::cout.flush())) problem = errno;
  if (problem != 0) {
    // The disk behind `> FILE` may be full; nobody must take an incomplete file for the whole output.
    fmt::print(stderr, "consilium: cannot write the output: {}\n", std::strerror(problem));
    return kFailure;
  }
  if (code) return *code;
  fmt::print(stderr, "consilium: {}\n", code.error().message);
  return exit_code_of(code.error());
}

}  // namespace consilium::cli
