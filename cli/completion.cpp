#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"

// Completion is generated from the declared subcommands and options, so that it always matches them.
namespace consilium::cli {
namespace {

constexpr const char* kJobId = "JOB_ID";  // an argument that is the id of a job

/// Prints the ids of jobs, one on each line. A coordinator that doesn't answer must not block the shell. Other words
/// than ids are dropped, because a shell would execute what a malicious coordinator puts into them.
constexpr const char* kListJobs =
    "timeout 3 consilium jobs --quiet 2>/dev/null | grep -E \"^[A-Za-z0-9][A-Za-z0-9._-]*\\$\"";

/// A command, given by its path ("ca sign"), and the words that may follow it.
struct Completion {
  std::string path;
  std::string description;
  std::vector<const CLI::App*> subcommands;
  std::vector<const CLI::Option*> options;
  std::vector<const CLI::Option*> arguments;  ///< by their places
};

std::vector<const CLI::App*> subcommands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

void collect(const CLI::App& app, const std::string& path, std::vector<Completion>& out) {
  Completion completion{path, app.get_description(), subcommands_of(app), {}, {}};
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_lnames().empty()) {
      completion.options.push_back(option);
    } else if (option->get_positional()) {
      completion.arguments.push_back(option);
    }
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

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

/// Returns the allowed values of an option, separated by blanks, or "" if they aren't a fixed set. CLI11 shows such a
/// set as "TEXT:{bash,zsh,fish}".
std::string values_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t begin = type.find('{');
  const std::size_t end = type.find('}', begin);
  if (begin == std::string::npos || end == std::string::npos) return {};
  std::string values = type.substr(begin + 1, end - begin - 1);
  for (char& c : values) c = c == ',' ? ' ' : c;
  return values;
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
    out += fmt::format("      {}) route={} place=0 ;;\n", shell_quote(typed), shell_quote(completion.path));
  }
  return out;
}

/// Returns lines of a shell `case` that choose the subcommands and options to offer, by that path.
std::string word_lines(const std::vector<Completion>& all) {
  std::string out;
  for (const Completion& completion : all)
    out += fmt::format("    {}) offered={} ;;\n", shell_quote(completion.path), shell_quote(words_of(completion)));
  return out;
}

/// Returns lines of a shell `case` that choose the arguments to offer, by "path place".
std::string argument_lines(const std::vector<Completion>& all) {
  std::string out;
  for (const Completion& completion : all) {
    for (std::size_t place = 0; place < completion.arguments.size(); ++place) {
      const CLI::Option& argument = *completion.arguments[place];
      const std::string pattern = shell_quote(fmt::format("{} {}", completion.path, place));
      if (argument.get_single_name() == kJobId) {
        out += fmt::format("    {}) offered=\"$offered $(_consilium_jobs)\" ;;\n", pattern);
      } else if (const std::string values = values_of(argument); !values.empty()) {
        out += fmt::format("    {}) offered=\"$offered \"{} ;;\n", pattern, shell_quote(values));
      }
    }
  }
  return out;
}

/// Returns lines of a shell `case` for every option that takes a value, by "path --option", with its allowed values.
std::string value_lines(const std::vector<Completion>& all) {
  std::string out;
  for (const Completion& completion : all) {
    for (const CLI::Option* option : completion.options) {
      if (!takes_value(*option)) continue;
      for (const std::string& name : option->get_lnames())
        out += fmt::format("    {}) offered={} ;;\n", shell_quote(completion.path + " --" + name),
                           shell_quote(values_of(*option)));
    }
  }
  return out;
}

/// The functions offer words, or nothing if a file may follow: bash then completes file names. bash splits
/// --option=value into three words.
std::string bash_script(const std::vector<Completion>& all) {
  return "# consilium completion for bash:  source <(consilium completion bash)\n"
         "_consilium_jobs() {\n  " +
         std::string(kListJobs) +
         "\n"
         "}\n"
         "_consilium_value() {\n"
         "  offered=''\n"
         "  case \"$1\" in\n" +
         value_lines(all) +
         "    *) return 1 ;;\n"
         "  esac\n"
         "}\n"
         "_consilium() {\n"
         "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous='' route='' offered='' place=0 word i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    word=\"${COMP_WORDS[i]}\"\n"
         "    if _consilium_value \"$route $previous\"; then\n"
         "      [ \"$word\" = '=' ] || previous=''\n"
         "      continue\n"
         "    fi\n"
         "    previous=\"$word\"\n"
         "    case \"$word\" in -*) continue ;; esac\n"
         "    case \"$route $word\" in\n" +
         step_lines(all) +
         "      *) place=$((place + 1)) ;;\n"
         "    esac\n"
         "  done\n"
         "  [ \"$current\" != '=' ] || current=''\n"
         "  if ! _consilium_value \"$route $previous\"; then\n"
         "  case \"$route\" in\n" +
         word_lines(all) +
         "  esac\n"
         "  case \"$current\" in -*) ;; *)\n"
         "  offered=$(printf '%s\\n' \"$offered\" | tr ' ' '\\n' | grep -v '^-')\n"
         "  case \"$route $place\" in\n" +
         argument_lines(all) +
         "  esac ;; esac\n"
         "  fi\n"
         "  COMPREPLY=()\n"
         "  for word in $offered; do\n"
         "    case \"$word\" in \"$current\"*) COMPREPLY+=(\"$word\") ;; esac\n"
         "  done\n"
         "}\n"
         "complete -o default -F _consilium consilium\n";
}

/// zsh understands bash's functions once bashcompinit is loaded.
std::string zsh_script(const std::vector<Completion>& all) {
  return "# consilium completion for zsh:  source <(consilium completion zsh)\n"
         "autoload -Uz compinit bashcompinit && compinit -u && bashcompinit\n" +
         bash_script(all);
}

/// Returns the line that completes an argument, or "" if it is a file or any other text. -f offers no files.
std::string fish_argument_line(const std::string& condition, const CLI::Option& argument) {
  const std::string values = values_of(argument);
  const bool job = argument.get_single_name() == kJobId;
  if (!job && values.empty()) return {};
  const bool files = argument.get_description().find("folder") != std::string::npos;
  return fmt::format("complete -c consilium -n {} -a {}{}\n", shell_quote(condition),
                     shell_quote(job ? fmt::format("({})", kListJobs) : values), files ? "" : " -f");
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
      const std::string values = values_of(*option);
      const std::string value = values.empty() ? " -r" : " -x -a " + shell_quote(values);
      out += fmt::format("complete -c consilium -n {} -l {} -d {}{}\n", shell_quote(condition),
                         option->get_lnames().front(), shell_quote(option->get_description()),
                         takes_value(*option) ? value : "");
    }
    for (const CLI::Option* argument : completion.arguments) out += fish_argument_line(condition, *argument);
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
