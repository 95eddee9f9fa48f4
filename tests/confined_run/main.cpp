#include <spdlog/fmt/fmt.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "client/trainer_process/confinement.h"
#include "tests/confined_run/stages.h"
#include "tests/confined_run/trace.h"

using namespace consilium;
using namespace consilium::trainer;

namespace {

constexpr const char* kUsage =
    "Usage: consilium-confined-run [--without STAGE]... [--readable PATH]... [--device D] [--trace FILE] -- PROGRAM "
    "[ARGUMENT...]\n"
    "Runs a trainer as the client daemon does, with its socket at descriptor 3, under all of the daemon's confinement\n"
    "but the stages that --without names: namespaces, landlock, capabilities, filter. --trace writes to FILE which\n"
    "system calls the kernel refused. scripts/check_cuda --help has examples.\n";

struct Options {
  TrainerConfig config;
  std::set<std::string, std::less<>> without;
  std::string trace;
};

/// Returns false if the command line is invalid.
bool parse(int argc, char** argv, Options& options) {
  int at = 1;
  for (; at + 1 < argc && std::string_view(argv[at]) != "--"; at += 2) {
    const std::string name = argv[at];
    const std::string value = argv[at + 1];
    if (name == "--without" && std::ranges::find(kStages, value) != std::end(kStages)) {
      options.without.insert(value);
    } else if (name == "--readable") {
      options.config.readable.emplace_back(value);
    } else if (name == "--device") {
      options.config.device = value;
    } else if (name == "--trace") {
      options.trace = value;
    } else {
      return false;
    }
  }
  if (at >= argc || std::string_view(argv[at]) != "--") return false;
  options.config.command.assign(argv + at + 1, argv + argc);
  return !options.config.command.empty();
}

int run_traced(const LaunchPlan& plan, const Options& options) {
  const pid_t child = fork();
  if (child == 0) {
    wait_for_tracer();
    fmt::print(stderr, "consilium-confined-run: {}\n", become_confined(plan, options.without));
    _exit(127);
  }
  int status = 0;
  close(kSocketDescriptor);
  std::FILE* file = std::fopen(options.trace.c_str(), "w");
  const std::vector<std::string> refused = refused_calls(child, status);
  if (file != nullptr) {
    for (const std::string& line : refused) fmt::print(file, "{}\n", line);
    std::fclose(file);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  // A kernel without Landlock gives no rules. The stage then reports this, unless the run leaves it out.
  options.config.require_sandbox = !options.without.contains("landlock");
  LaunchPlan plan;
  if (auto made = confine(options.config, plan); !made) {
    fmt::print(stderr, "consilium-confined-run: {}\n", made.error().message);
    return 1;
  }
  if (!options.trace.empty()) return run_traced(plan, options);
  fmt::print(stderr, "consilium-confined-run: {}\n", become_confined(plan, options.without));
  return 127;
}
