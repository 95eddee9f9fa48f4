#include "cli/live_view.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/catch.h"
#include "tests/unit/common/report/edit_record.h"

namespace consilium::cli {
namespace {

using report::JobPhase;
using report::JobStatus;
using report::RoundRecord;

RoundRecord round_of(std::uint32_t number) {
  RoundRecord record;
  record.round = number;
  record.cohort = {"east", "north"};
  record.contributed = {"east", "north"};
  record.seconds = 1.5;
  record.bytes = 53'200'000;
  record.train_loss = 0.4 / number;
  task::Metrics metrics;
  metrics.values = {{"loss", 0.35, 0.0, false}, {"accuracy", 0.861}, {"auc", 0.925}};
  record.metrics = metrics;
  return record;
}

JobStatus running(std::uint32_t rounds_done) {
  JobStatus status;
  status.job_id = "chest-xray-1";
  status.phase = JobPhase::kTraining;
  status.rounds = 20;
  status.round = rounds_done + 1;
  status.sites = {{"east", "training"}, {"north", "uploading"}};
  status.eta_seconds = 42;
  status.examples = 320;
  for (std::uint32_t i = 1; i <= rounds_done; ++i) status.history.push_back(round_of(i));
  return status;
}

int columns(const std::string& line) {
  return static_cast<int>(
      std::ranges::count_if(line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool contains(const std::vector<std::string>& lines, const std::string& text) {
  return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(text) != std::string::npos; });
}

/// Returns what a view writes to a real stream.
std::string written(const std::vector<JobStatus>& snapshots, ViewMode mode, const Screen& screen) {
  char* data = nullptr;
  std::size_t size = 0;
  std::FILE* stream = open_memstream(&data, &size);
  LiveView view(stream, "val", mode, screen);
  for (const JobStatus& status : snapshots) view.update(status);
  std::fclose(stream);
  std::string text(data, size);
  std::free(data);
  return text;
}

TEST_CASE("the table shows round, phase, sites, loss, metric, bytes and the time left") {
  const auto lines = table_lines(running(3), "val", {100, 30, true, false});
  for (const char* text : {"chest-xray-1", "training", "round 4 of 20", "ETA 42.0 s", "val loss", "0.861", "0.925",
                           "53.2 MB", "2/2", "north", "uploading", "15 %"}) {
    CHECK(contains(lines, text));
  }
}

TEST_CASE("the table's columns are named after the metrics that the evaluations have") {
  const Screen screen{100, 30, true, false};
  CHECK(contains(table_lines(running(1), "val", screen), "accuracy      AUC"));
  JobStatus status = running(2);
  edit_record(status.history, 0, [&](RoundRecord& record) { record.metrics.reset(); });  // not evaluated
  edit_record(status.history, 1, [&](RoundRecord& record) {
    record.metrics->values = {{"loss", 0.2, 0.0, false}, {"dice", 0.75}, {"iou", 0.625}};
  });
  const auto lines = table_lines(status, "val", screen);
  CHECK(contains(lines, "dice      IoU"));
  CHECK(contains(lines, "0.750    0.625"));
  CHECK_FALSE(contains(lines, "accuracy"));
  CHECK_FALSE(contains(table_lines(running(0), "val", screen), "accuracy"));
}

TEST_CASE("every view says whether the job's sums are masked, once") {
  const std::string off = "secure aggregation is off: the coordinator sees each site's update";
  JobStatus masked = running(1);
  masked.masked = true;
  CHECK(contains(table_lines(running(1), "val", {100, 30, true, false}), off));
  CHECK(contains(table_lines(masked, "val", {100, 30, true, false}), "secure aggregation is on"));
  CHECK_FALSE(contains(table_lines(masked, "val", {100, 30, true, false}), "off"));
  CHECK(news_lines({}, running(0), "val") == std::vector<std::string>{"chest-xray-1: " + off});
  CHECK_FALSE(contains(news_lines(running(0), running(1), "val"), "secure aggregation"));
  CHECK(news_lines({}, masked, "val").front() == "chest-xray-1: secure aggregation is on");
  CHECK(nlohmann::json::parse(news_json({}, running(0), "val").front()).at("masked") == false);
  CHECK(nlohmann::json::parse(news_json({}, masked, "val").front()).at("masked") == true);
}

TEST_CASE("the table fits the terminal, however many rounds and however narrow") {
  for (const int width : {20, 40, 80, 200}) {
    for (const int height : {8, 24, 60}) {
      JobStatus status = running(100);
      status.detail = std::string(300, 'x');
      edit_record(status.history, 99,
                  [](RoundRecord& record) { record.failed["east"] = "training failed: " + std::string(200, 'y'); });
      const auto lines = table_lines(status, "val", {width, height, true, false});
      CHECK(static_cast<int>(lines.size()) < height);
      for (const std::string& line : lines) CHECK(columns(line) <= width);
      if (width > 20) CHECK(contains(lines, "  100 "));  // the last round stays visible
    }
  }
}

/// Returns the lines as one text, so that words are found wherever a line ends.
std::string unwrapped(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    const std::size_t begin = line.find_first_not_of(' ');
    text += begin == std::string::npos ? "" : line.substr(begin) + " ";
  }
  return text;
}

TEST_CASE("a terminal of 80 columns shows whole reasons, on as many lines as they need") {
  const Screen screen{80, 24, true, false};
  JobStatus status = running(40);
  status.detail =
      "west: asked, and hasn't answered yet; the hospital south declined the job because its policy allows fewer "
      "rounds (max_rounds), and a person there has to change that";
  status.sites["south"] =
      "declined: max_rounds, max_local_epochs; the job asks for more than this site's policy allows";
  edit_record(status.history, 38, [](RoundRecord& record) {
    record.failed["east"] = "training failed: resource_exhausted; the site's log says why";
  });
  edit_record(status.history, 39, [](RoundRecord& record) {
    record.evaluation_failed["north"] = "the evaluation failed: the file has no test examples";
  });
  const auto lines = table_lines(status, "val", screen);
  CHECK(lines.size() < 24);
  for (const std::string& line : lines) CHECK(columns(line) <= 80);
  const std::string text = unwrapped(lines);
  CHECK(text.find(status.detail) != std::string::npos);
  CHECK(text.find("south " + status.sites["south"]) != std::string::npos);
  CHECK(text.find("round 39: east: training failed: resource_exhausted; the site's log says why") != std::string::npos);
  CHECK(text.find("round 40: north is not in the evaluation: the evaluation failed: the file has no test examples") !=
        std::string::npos);
  CHECK(contains(lines, "   40 "));

  status.phase = JobPhase::kFailed;
  CHECK(unwrapped(table_lines(status, "val", screen)).find("south " + status.sites["south"]) != std::string::npos);
}

TEST_CASE("what a site says can't steer the terminal") {
  CHECK(printable("a\x1b[2Jb\x07") == "a?[2Jb?");
  CHECK(printable("caf\xc3\xa9") == "caf\xc3\xa9");
  CHECK(printable("\xc2\x9b"
                  "31m") == "??31m");
  CHECK(printable("\xff\xe2\x82") == "???");
  JobStatus status = running(1);
  status.sites["south"] = "failed: \x1b]0;owned\x07";
  edit_record(status.history, 0, [&](RoundRecord& record) { record.failed["south"] = "\x1b[1A"; });
  for (const std::string& line : table_lines(status, "val", {100, 30, true, false}))
    CHECK(line.find('\x1b') == std::string::npos);
  for (const std::string& line : news_lines({}, status, "val")) CHECK(line.find('\x1b') == std::string::npos);
}

TEST_CASE("a terminal is redrawn in place; each frame goes up by what the last one drew") {
  const std::string text = written({running(0), running(1)}, ViewMode::kLive, {100, 30, true, false});
  const std::size_t first = table_lines(running(0), "val", {100, 30, true, false}).size();
  CHECK(text.find("\x1b[" + std::to_string(first) + "A") != std::string::npos);
}

TEST_CASE("without a terminal each finished round is one plain line, told once") {
  const std::string text =
      written({running(0), running(1), running(1), running(3)}, ViewMode::kLive, {100, 30, false, false});
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(std::ranges::count(text, '\n') == 4);
  CHECK(
      text.find("\nround 1/20  sites 2/2  train loss 0.4000  val loss 0.3500  accuracy 0.861  AUC 0.925  53.2 MB  1.5 "
                "s  ETA 42.0 s\n") == text.find('\n'));
}

TEST_CASE("plain lines tell what a job waits for, who failed and how it ended") {
  JobStatus waiting;
  waiting.job_id = "chest-xray-1";
  waiting.phase = JobPhase::kRecruiting;
  waiting.detail = "waiting for 3 sites, 1 accepted";
  JobStatus ended = running(1);
  edit_record(ended.history, 0,
              [&](RoundRecord& record) { record.failed["south"] = "training failed: out of memory"; });
  ended.phase = JobPhase::kFailed;
  ended.detail = "quorum missed";
  const std::string text = written({waiting, waiting, ended}, ViewMode::kLive, {100, 30, false, false});
  CHECK(text.find("\nchest-xray-1: recruiting: waiting for 3 sites, 1 accepted\n") == text.find('\n'));
  CHECK(text.find("round 1: south: training failed: out of memory\n") != std::string::npos);
  CHECK(text.ends_with("chest-xray-1: failed: quorum missed\n"));
}

TEST_CASE("plain lines, JSON and the list of jobs say for whom a round waits, once") {
  JobStatus waits = running(3);
  waits.detail =
      "round 4 of 20: 0 of 4 sites answered; group 1: waits for south (gone since 14:02 UTC); it goes on when all "
      "sites of the group are connected; group 2: 2 of 4 vectors have arrived, still missing: west";
  CHECK(report::awaited_text(waits) == "group 1: waits for south (gone since 14:02 UTC)");
  const std::string told = "chest-xray-1: training: " + waits.detail;
  CHECK(news_lines(running(3), waits, "val") == std::vector<std::string>{told});
  CHECK(nlohmann::json::parse(news_json(running(3), waits, "val").at(0)).at("detail") == waits.detail);
  JobStatus later = waits;
  later.detail.replace(later.detail.find("2 of 4"), 6, "3 of 4");
  CHECK(news_lines(waits, later, "val").empty());
  CHECK(news_json(waits, later, "val").empty());
  JobStatus again = running(3);
  again.detail = "round 4 of 20: 0 of 4 sites answered; begins anew after: south: disconnected";
  CHECK(report::awaited_text(again) == "begins anew after: south: disconnected");
  again.phase = JobPhase::kFailed;
  CHECK(report::awaited_text(again).empty());
}

TEST_CASE("what comes too soon after a line is told a second later, though nothing else happens") {
  char* data = nullptr;
  std::size_t size = 0;
  std::FILE* stream = open_memstream(&data, &size);
  {
    LiveView view(stream, "val", ViewMode::kLive, {100, 30, false, false});
    JobStatus status;
    status.job_id = "chest-xray-1";
    status.phase = JobPhase::kRecruiting;
    for (const std::string site : {"east", "north", "south"}) {
      status.detail = "waits for approval at " + site;
      view.update(status);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  }
  std::fclose(stream);
  const std::string text(data, size);
  std::free(data);
  CHECK(text.find("recruiting: waits for approval at east\n") != std::string::npos);
  CHECK(text.find("at north") == std::string::npos);
  CHECK(text.ends_with("recruiting: waits for approval at south\n"));
}

TEST_CASE("a view that ends tells what it held back, at once") {
  char* data = nullptr;
  std::size_t size = 0;
  std::FILE* stream = open_memstream(&data, &size);
  {
    LiveView view(stream, "val", ViewMode::kLive, {100, 30, false, false});
    JobStatus status;
    status.job_id = "chest-xray-1";
    status.phase = JobPhase::kRecruiting;
    for (const std::string site : {"east", "north"}) {
      status.detail = "waits for approval at " + site;
      view.update(status);
    }
  }
  std::fclose(stream);
  const std::string text(data, size);
  std::free(data);
  CHECK(text.ends_with("recruiting: waits for approval at north\n"));
}

TEST_CASE("a site that is missing from an evaluation is named with the reason, in the table and in plain lines") {
  JobStatus status = running(1);
  edit_record(status.history, 0, [&](RoundRecord& record) {
    record.evaluation_failed["south"] = "evaluation failed: out of memory\x1b[2J";
  });
  const std::string told = "south is not in the evaluation: evaluation failed: out of memory?[2J";
  CHECK(contains(table_lines(status, "val", {200, 30, true, false}), told));
  CHECK(contains(news_lines({}, status, "val"), "round 1: " + told));
  const auto json = nlohmann::json::parse(news_json(running(0), status, "val").back());
  CHECK(json.at("evaluation_failed").contains("south"));
}

TEST_CASE("a job that waits isn't told again with every site that answers") {
  std::vector<JobStatus> snapshots;
  for (int i = 0; i < 100; ++i) {
    JobStatus status;
    status.job_id = "chest-xray-1";
    status.phase = JobPhase::kRecruiting;
    status.detail = "waiting for 100 sites, " + std::to_string(i) + " accepted";
    snapshots.push_back(status);
  }
  snapshots.push_back(running(1));
  const std::string text = written(snapshots, ViewMode::kLive, {100, 30, false, false});
  CHECK(std::ranges::count(text, '\n') < 10);
  CHECK(text.find("round 1/20") != std::string::npos);
}

TEST_CASE("JSON news are one object a line") {
  JobStatus ended = running(2);
  ended.phase = JobPhase::kFinished;
  std::vector<std::string> events;
  for (const std::string& line : news_json({}, running(1), "val"))
    events.push_back(nlohmann::json::parse(line).at("event"));
  for (const std::string& line : news_json(running(1), ended, "val")) {
    const auto json = nlohmann::json::parse(line);
    events.push_back(json.at("event"));
    if (json["event"] == "round") CHECK(json.at("val").at("accuracy") == 0.861);
  }
  CHECK(events == std::vector<std::string>{"phase", "round", "round", "end"});
}

TEST_CASE("numbers are written as people read them") {
  CHECK(format_bytes(999) == "999 B");
  CHECK(format_bytes(53'200'000) == "53.2 MB");
  CHECK(format_bytes(1'250'000'000) == "1.25 GB");
  CHECK(format_duration(1.25) == "1.2 s");
  CHECK(format_duration(65) == "1:05");
  CHECK(format_duration(3 * 3600 + 5) == "3:00:05");
}

TEST_CASE("a site that takes no part is named once with the reason, and stays named when the job is over") {
  JobStatus before = running(0);
  before.sites = {{"east", "idle"}, {"north", "idle"}, {"south", "asked"}};
  JobStatus status = before;
  status.sites["south"] = "census failed: train_labels: label 0 is 7, expected 0 to 1";
  const std::string told =
      "chest-xray-1: south takes no part: census failed: train_labels: label 0 is 7, expected 0 to 1";
  CHECK(contains(news_lines(before, status, "val"), told));
  CHECK_FALSE(contains(news_lines(status, status, "val"), "takes no part"));
  CHECK(contains(news_json(before, status, "val"), "label 0 is 7"));
  CHECK(news_json(status, status, "val").empty());
  status.sites["north"] = "declined: datasets";
  CHECK(contains(news_lines(before, status, "val"), "north takes no part: declined: datasets"));

  status.phase = JobPhase::kFinished;
  const auto table = table_lines(status, "val", Screen{.width = 200, .height = 50});
  CHECK(contains(table, "south census failed"));
  CHECK(contains(table, "north declined: datasets"));
  CHECK_FALSE(contains(table, "east idle"));
}

}  // namespace
}  // namespace consilium::cli
