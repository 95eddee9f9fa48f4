#include "client/approval/commands.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <istream>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "client/approval/control_socket.h"
#include "client/approval/desk.h"
#include "client/approval/job_in_words.h"
#include "client/daemon_config.h"
#include "client/policy/accepted_roster.h"
#include "client/policy/policy.h"

namespace consilium::approval {
namespace {

using nlohmann::json;
using Table = std::vector<std::vector<std::string>>;

struct Options {
  std::string config = client::kDefaultConfigFile;
  std::string job;
  std::string researcher;
  bool json = false;
};

/// Formats a table. Each column is as wide as its widest cell; the last one isn't padded.
std::string table_text(const Table& table) {
  std::vector<std::size_t> widths(table.front().size(), 0);
  for (const auto& row : table) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : table) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) text += fmt::format("{:<{}}  ", row[i], widths[i]);
    text += row.back() + '\n';
  }
  return text;
}

std::string jobs_text(const json& answer) {
  Table table{{"JOB", "DIGEST", "RESEARCHER", "OFFERED", "STATE"}};
  for (const json& job : answer.at("jobs")) {
    const std::string state = job.at("state");
    table.push_back({job.at("job_id"), job.at("digest").get<std::string>().substr(0, 16), job.at("researcher"),
                     time_in_words(job.at("seen_at")), state == "waits" ? "waits for approval" : state});
  }
  if (table.size() == 1) return "No job was offered to this site.\n";
  return table_text(table);
}

std::string facts_text(const json& answer) {
  Table table;
  for (const json& fact : answer.at("facts")) table.push_back({fact.at(0), fact.at(1)});
  return table_text(table);
}

std::string decision_text(const std::string& command, const json& answer) {
  const std::string job =
      fmt::format("job {} of {}, digest {}", answer.at("job_id").get<std::string>(),
                  answer.at("researcher").get<std::string>(), answer.at("digest").get<std::string>());
  if (command == "approve")
    return "Approved " + job + ". To take it back: consilium-client decline " + answer.at("job_id").get<std::string>() +
           "\n";
  return "Declined " + job + ". This site takes no part in it.\n";
}

std::string releases_text(const json& answer) {
  Table table{{"POPULATION", "JOB", "RESEARCHER", "KIND", "ROUND", "GROUP", "WHEN"}};
  for (const json& release : answer.at("releases")) {
    table.push_back({release.at("population"), release.at("job_id"), release.at("researcher"), release.at("kind"),
                     release.at("round").dump(), release.at("group").dump(), time_in_words(release.at("at"))});
  }
  Table decisions{{"DECISION", "DIGEST", "RESEARCHER", "BY", "WHEN"}};
  for (const json& one : answer.at("decisions")) {
    decisions.push_back({one.at("approved").get<bool>() ? "approved" : "declined",
                         one.at("digest").get<std::string>().substr(0, 16), one.at("researcher"), one.at("by"),
                         time_in_words(one.at("at"))});
  }
  const std::string given = table.size() == 1 ? "This site has contributed to no sum.\n" : table_text(table);
  return decisions.size() == 1 ? given : given + "\n" + table_text(decisions);
}

/// Answers from the same records without a daemon.
Result<std::string> answer_from_disk(const client::ClientConfig& config, const std::string& request) {
  std::error_code ignored;
  if (!std::filesystem::exists(config.state_dir / "approvals.db", ignored)) {
    return fail(ErrorCode::kNotFound, fmt::format("{}: there is no record of offered jobs yet; start the client first",
                                                  (config.state_dir / "approvals.db").string()));
  }
  CONSILIUM_ASSIGN(const policy::Policy policy, policy::read_policy(config.policy));
  CONSILIUM_ASSIGN(const auto approvals, Approvals::open(config.state_dir));
  CONSILIUM_ASSIGN(const auto accepted, policy::read_accepted_roster(config.state_dir));
  const auto roster = accepted ? std::make_shared<const roster::Roster>(*accepted) : nullptr;
  Desk::Parts parts{*approvals, [&] { return policy.rules().maximum_sums; },
                    [] {
                      const auto now = std::chrono::system_clock::now().time_since_epoch();
                      return std::int64_t{std::chrono::duration_cast<std::chrono::seconds>(now).count()};
                    }};
  parts.roster = [&] { return roster; };
  const Desk desk(std::move(parts));
  return desk.answer(request, user_name(::getuid()));
}

/// Adds the configuration file to the commands at the end of a text, unless it is the default one.
std::string with_config(std::string text, const std::string& config) {
  if (config == client::kDefaultConfigFile) return text;
  for (const std::string command : {"consilium-client approve ", "consilium-client decline "}) {
    const auto at = text.rfind(command);
    if (at != std::string::npos) text.insert(std::min(text.find('\n', at), text.size()), " --config " + config);
  }
  return text;
}

/// Sends the request to the daemon. If none is running, answers it from the daemon's records.
Result<json> answer_to(const client::ClientConfig& config, const std::string& request) {
  auto answer = ask_daemon(config.state_dir, request);
  if (!answer && answer.error().code == ErrorCode::kNotFound) answer = answer_from_disk(config, request);
  if (!answer) return fail(answer.error());
  json parsed = json::parse(*answer, nullptr, false);
  if (!parsed.is_object())
    return fail(ErrorCode::kInternal,
                "the daemon's answer can't be read; check that daemon and command have the same version");
  if (parsed.contains("error")) return fail(ErrorCode::kFailedPrecondition, parsed.value("message", "unknown error"));
  return parsed;
}

Result<int> ask(const std::string& command, const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const client::ClientConfig config, client::read_client_config(options.config));
  CONSILIUM_ASSIGN(const json answer, answer_to(config, request_text(command, options.job, options.researcher)));
  out << (options.json ? answer.dump() + "\n" : with_config(answer_in_words(command, answer.dump()), options.config));
  return 0;
}

/// Shows a job, and approves exactly this job after a yes. The approval goes by digest and researcher, because the
/// coordinator could give the job's id to another job in the meantime.
Result<int> show_and_approve(const Options& options, std::istream& in, std::ostream& out) {
  CONSILIUM_ASSIGN(const client::ClientConfig config, client::read_client_config(options.config));
  CONSILIUM_ASSIGN(const json shown, answer_to(config, request_text("show", options.job, "")));
  out << facts_text(shown) << "\nMay this site take part in this job? Type yes or no: " << std::flush;
  std::string word;
  if (!std::getline(in, word) || word != "yes") {
    out << "\n";
    return fail(
        ErrorCode::kFailedPrecondition,
        "nothing was decided, because the job wasn't approved with yes; to refuse it: consilium-client decline " +
            options.job);
  }
  const std::string request = request_text("approve", shown.at("digest"), shown.at("researcher"));
  CONSILIUM_ASSIGN(const json answer, answer_to(config, request));
  out << with_config(decision_text("approve", answer), options.config);
  return 0;
}

void add(CLI::App& app, std::function<Result<int>()>& action, std::istream& in, std::ostream& out,
         const std::string& name, const std::string& about, const std::string& examples) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(name, about);
  if (name == "approve") {
    command->add_option("JOB", options->job, "a job's id; or, with RESEARCHER, all 64 digits of its digest")
        ->required();
    command->add_option(
        "RESEARCHER", options->researcher,
        "the person who submitted it; without RESEARCHER, the command shows the job and asks whether it may run");
  } else if (name != "jobs" && name != "releases") {
    command->add_option("JOB", options->job, "a job's id, its digest, or at least 8 digits of the digest")->required();
  }
  command->add_option("--config", options->config, "the daemon's configuration")->capture_default_str();
  command->add_flag("--json", options->json, "print JSON for programs");
  command->footer("Examples:\n" + examples + "\n\nExit codes: 0 done, 1 failure, 2 usage.");
  command->callback([name, options, &action, &in, &out] {
    if (name == "approve" && options->researcher.empty()) {
      if (options->json)
        throw CLI::ValidationError(
            "approve",
            "with --json the command can't ask, so it needs the whole digest and RESEARCHER, which "
            "`consilium-client show JOB --json` prints");
      action = [options, &in, &out] { return show_and_approve(*options, in, out); };
    } else {
      action = [name, options, &out] { return ask(name, *options, out); };
    }
  });
}

}  // namespace

std::string answer_in_words(const std::string& command, const std::string& answer) {
  const json parsed = json::parse(answer);
  if (command == "jobs") return jobs_text(parsed);
  if (command == "show") return facts_text(parsed);
  if (command == "releases") return releases_text(parsed);
  return decision_text(command, parsed);
}

void add_approval_commands(CLI::App& app, std::function<Result<int>()>& action, std::istream& in, std::ostream& out) {
  add(app, action, in, out, "jobs", "list the jobs that were offered to this site, and which wait for approval",
      "  consilium-client jobs\n  consilium-client jobs --json");
  add(app, action, in, out, "show", "say in words what a job would do with this site's data",
      "  consilium-client show chest-xray-1\n  consilium-client show 3f0c9a7e");
  add(app, action, in, out, "approve", "show a job, ask, and let this site take part in it after a yes",
      "  consilium-client approve chest-xray-1\n  consilium-client approve "
      "3f0c9a7e51b2d8407c6a0e9d24b1f3587e60a9c2d4f8b1353a7c9e0d6b2f4a18 ada");
  add(app, action, in, out, "decline", "refuse a job, or leave one that runs",
      "  consilium-client decline chest-xray-1");
  add(app, action, in, out, "releases", "list every sum that this site gave its part to, and every decision",
      "  consilium-client releases\n  consilium-client releases --json");
}

}  // namespace consilium::approval
