#include "common/logging/event.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "common/logging/logging.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::logging {
namespace {

using config::LogConfig;
using config::LogFormat;
using config::LogLevel;

/// Returns what a function writes to standard error.
std::string written(const std::function<void()>& write) {
  const pki::TemporaryFolder folder;
  const auto file = folder / "log";
  std::fflush(stderr);
  const int kept = ::dup(STDERR_FILENO);
  std::FILE* const to = std::fopen(file.c_str(), "w");
  ::dup2(::fileno(to), STDERR_FILENO);
  write();
  std::fflush(stderr);
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
  std::fclose(to);
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

const Fields kRound{.job = "chest-1",
                    .round = 3,
                    .more = {{"seconds", 1.5}, {"contributed", std::vector<std::string>{"north", "south"}}}};

}  // namespace

TEST_CASE("every event has a name of its own, of a subject and what became of it") {
  std::set<std::string_view> names;
  for (const EventEntry& entry : all_events()) {
    CHECK(names.insert(entry.name).second);
    CHECK_THAT(std::string(entry.name), Catch::Matches("[a-z_]+\\.[a-z_]+"));
    CHECK(&entry_of(entry.event) == &entry);
  }
}

TEST_CASE("a JSON line has time, level, program and event, and what it is about") {
  const std::string text = written([] {
    configure("consilium-client", {LogLevel::kInfo, LogFormat::kJson}, "east");
    event(Event::kRoundCommitted, kRound, "job chest-1: round 3");
    event(Event::kSiteLeft, {.site = "west"}, "two\nlines");
  });
  std::istringstream lines(text);
  std::string first, second;
  std::getline(lines, first);
  std::getline(lines, second);
  const auto round = nlohmann::json::parse(first);
  CHECK_THAT(round["time"].get<std::string>(), Catch::Matches("20..-..-..T..:..:..\\....Z"));
  CHECK(round["level"] == "info");
  CHECK(round["program"] == "consilium-client");
  CHECK(round["event"] == "round.committed");
  CHECK(round["job"] == "chest-1");
  CHECK(round["site"] == "east");
  CHECK(round["round"] == 3);
  CHECK(round["seconds"] == 1.5);
  CHECK(round["contributed"] == nlohmann::json({"north", "south"}));
  CHECK(round["message"] == "job chest-1: round 3");
  const auto left = nlohmann::json::parse(second);
  CHECK(left["site"] == "west");
  CHECK_FALSE(left.contains("job"));
  CHECK(left["message"] == "two\nlines");
}

TEST_CASE("a text line has the time in UTC, the level and the event, and stays one line whatever it quotes") {
  const std::string text = written([] {
    configure("consilium-coordinator", {});
    event(Event::kPeerRefused, {}, "refused \x1b[2Jall\n2026-01-01T00:00:00.000Z info    [job.ended] a lie");
  });
  CHECK_THAT(text, Catch::Matches("20..-..-..T..:..:..\\....Z warning \\[peer.refused\\] refused  \\[2Jall "
                                  "2026-01-01T00:00:00.000Z info    \\[job.ended\\] a lie\n"));
}

TEST_CASE("level and format can be changed while the program runs") {
  const std::string text = written([] {
    configure("consilium-client", {LogLevel::kWarning, LogFormat::kText});
    event(Event::kJobEnded, {}, "unheard");
    change({LogLevel::kInfo, LogFormat::kJson});
    event(Event::kJobEnded, {.job = "a-1"}, "heard");
  });
  CHECK(text.find("unheard") == std::string::npos);
  CHECK(nlohmann::json::parse(text)["message"] == "heard");
}

TEST_CASE("what a healthy site may do is no warning") {
  for (const Event event : {Event::kJobDeclined, Event::kJobAwaitsApproval, Event::kSiteLeft, Event::kCallRefused})
    CHECK(entry_of(event).level == Level::kInfo);
}

}  // namespace consilium::logging
