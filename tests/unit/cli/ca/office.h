#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "cli/ca.h"
#include "client/join.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::test {

/// What a command has printed, and its exit code.
struct Typed {
  std::string output;
  int code = 0;
};

/// Runs a command line with a person's answers.
/// @param terminal  whether the person sits at a terminal
inline Result<Typed> type_any(std::vector<std::string> words, const std::string& answers, bool terminal) {
  std::istringstream in(answers);
  std::ostringstream out;
  std::function<Result<int>()> action;
  CLI::App app("test", "consilium");
  cli::add_ca_command(app, action, in, out);
  client::add_join_command(app, action, in, out, terminal);
  std::vector<const char*> arguments = {"consilium"};
  for (const std::string& word : words) arguments.push_back(word.c_str());
  try {
    app.parse(static_cast<int>(arguments.size()), arguments.data());
  } catch (const CLI::ParseError& error) {
    return fail(ErrorCode::kInvalidArgument, std::string("usage: ") + error.what());
  }
  CONSILIUM_ASSIGN(const int code, action());
  return Typed{out.str(), code};
}

/// Runs a command line that succeeds or returns an error, and returns the output.
inline Result<std::string> type(std::vector<std::string> words, const std::string& answers = "", bool terminal = true) {
  CONSILIUM_ASSIGN(Typed typed, type_any(std::move(words), answers, terminal));
  CHECK(typed.code == 0);
  return std::move(typed.output);
}

/// An authority, and a folder for its files.
struct Office {
  pki::TemporaryFolder folder;
  std::string ca = folder / "ca";
  std::string plan = folder / "consortium.yaml";

  Office() {
    REQUIRE(type({"ca", "init", ca, "--name", "lung"}));
    pki::write_text(plan, "populations:\n  chest: {datasets: [chest, chest-ap], examples: 500}\n");
  }
  Result<std::string> kit(std::vector<std::string> names, const std::string& address = "hub.example.org:8470") const {
    std::vector<std::string> words = {"ca", "kit"};
    words.insert(words.end(), names.begin(), names.end());
    words.insert(words.end(), {"--address", address, "--consortium", plan, "--ca", ca, "--out", folder / "kits"});
    return type(words);
  }
  /// Joins a hospital whose person has compared everything.
  Result<std::string> join(const std::string& name, std::vector<std::string> more = {}) const {
    more.emplace_back("--compared");
    return join_asked(name, "", more);
  }
  /// Joins a hospital whose person answers the questions.
  Result<std::string> join_asked(const std::string& name, const std::string& answers,
                                 const std::vector<std::string>& more = {}, bool terminal = true) const {
    std::vector<std::string> words = {"join", folder / ("kits/" + name), "--to", folder / ("etc-" + name), "--user",
                                      "root"};
    words.insert(words.end(), more.begin(), more.end());
    return type(words, answers, terminal);
  }
  /// Joins a hospital that has its certificate and a roster. `join` then runs this test's program as if it were the
  /// client, which fails, so the exit code isn't 0.
  Result<std::string> join_completely(const std::string& name, const std::string& answers) const {
    CONSILIUM_ASSIGN(Typed typed,
                     type_any({"join", folder / ("kits/" + name), "--to", folder / ("etc-" + name), "--user", "root"},
                              answers, true));
    CHECK(typed.code != 0);
    return std::move(typed.output);
  }
  /// Lets the authority admit hospitals, with these answers to its questions about the keys.
  Result<std::string> admit(std::vector<std::string> sites, const std::string& answers) const {
    std::vector<std::string> words = {
        "ca", "admit", "--address", "hub.example.org:8470", "--ca", ca, "--out", folder / "answers", "--site"};
    for (const std::string& site : sites) words.push_back(folder / ("etc-" + site + "/" + site + ".csr"));
    return type(words, answers);
  }
};

/// Returns the word that follows another one at the beginning of a line of output.
inline std::string word_behind(const std::string& text, const std::string& name) {
  const auto at = text.find("\n" + name + " ");
  if (at == std::string::npos) return "";
  const auto begin = text.find_first_not_of(' ', at + 1 + name.size());
  return text.substr(begin, text.find_first_of(" \n", begin) - begin);
}

}  // namespace consilium::test
