#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"

// Completion is generated from the declared subcommands and options, so that it always matches them.
namespace consilium::cli {
namespace {

/// A command, given by its path ("ca sign"), and the words that may follow it.
struct Completion {
  std::string path;
  std::string description;
  std::vector<const CLI::App*> subcommands;
  std::vector<const CLI::Option*> options;
};

std::vector<const CLI::App*> subcommands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

void collect(const CLI::App& app, const std::string& path, std::vector<Completion>& out) {
  Completion completion{path, app.get_description(), subcommands_of(app), {}};
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_lnames().empty()) completion.options.push_back(option);
  }
  out.push_back(completion);
  for (const CLI::App* sub : completion.subcommands)
    collect(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), out);
}

std::string words_of(const Completion& completion) {
  std::string words;
  for (const CLI::App* sub : completion.subcommands) words += sub->get_name() + " ";
  for (const CLI::Option* option : completion.options) words += "--" + option->get_lnames().front() + " ";
  if (!words.empty()) words.pop_back();
  return words;
}

/// Puts text between single quotes for a shell.
std::string shell_quote(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// Returns lines of a shell `case` that follow the typed words: "path word" -> longer path.
std::string step_lines(const std::vector<Completion>& all) {
  std::string out;
  for (const Completion& completion : all) {
    if (completion.path.empty()) continue;
    const std::string typed = completion.path.find(' ') == std::string::npos ? " " + completion.path : completion.path;
    out += fmt::format("      {}) route={} ;;\n", shell_quote(typed), shell_quote(completion.path));
  }
  return out;
}

/// Returns lines of a shell `case` that choose the words to offer, by that path.
std::string word_lines(const std::vector<Completion>& all) {
  std::string out;
  for (const Completion& completion : all)
    out += fmt::format("    {}) words={} ;;\n", shell_quote(completion.path), shell_quote(words_of(completion)));
  return out;
}

std::string bash_script(const std::vector<Completion>& all) {
  return "# consilium completion for bash:  source <(consilium completion bash)\n"
         "_consilium() {\n"
         "  local current=\"${COMP_WORDS[COMP_CWORD]}\" route='' words='' i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case \"$route ${COMP_WORDS[i]}\" in\n" +
         step_lines(all) +
         "    esac\n"
         "  done\n"
         "  case \"$route\" in\n" +
         word_lines(all) +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o default -F _consilium consilium\n";
}

/// zsh understands bash's functions once bashcompinit is loaded.
std::string zsh_script(const std::vector<Completion>& all) {
  return "# consilium completion for zsh:  source <(consilium completion zsh)\n"
         "autoload -Uz compinit bashcompinit && compinit -u && bashcompinit\n" +
         bash_script(all);
}

std::string fish_script(const std::vector<Completion>& all) {
  std::string out = "# consilium completion for fish:  consilium completion fish | source\n";
  for (const Completion& completion : all) {
    std::string condition = "__fish_use_subcommand";
    if (!completion.path.empty())
      condition = "__fish_seen_subcommand_from " + completion.path.substr(completion.path.rfind(' ') + 1);
    for (const CLI::App* sub : completion.subcommands) {
      out += fmt::format("complete -c consilium -n {} -a {} -d {}{}\n", shell_quote(condition), sub->get_name(),
                         shell_quote(sub->get_description()), completion.path.empty() ? " -f" : "");
    }
    for (const CLI::Option* option : completion.options) {
      out += fmt::format("complete -c consilium -n {} -l {} -d {}{}\n", shell_quote(condition),
                         option->get_lnames().front(), shell_quote(option->get_description()),
                         option->get_items_expected_max() > 0 ? " -r" : "");
    }
  }
  return out;
}

}  // namespace

void add_completion(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("completion", "Print a completion script for bash, zsh or fish");
  const auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "Examples:\n  source <(consilium completion bash)\n  consilium completion fish > "
      "~/.config/fish/completions/consilium.fish");
  command->callback([shell, &app, &action] {
    action = [shell, &app]() -> Result<int> {
      std::vector<Completion> all;
      collect(app, "", all);
      fmt::print("{}", *shell == "bash" ? bash_script(all) : *shell == "zsh" ? zsh_script(all) : fish_script(all));
      return kSuccess;
    };
  });
}

}  // namespace consilium::cli
