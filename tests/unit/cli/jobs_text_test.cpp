#include "cli/jobs_text.h"

#include <algorithm>

#include "cli/view_text.h"
#include "tests/catch.h"

namespace consilium::cli {
namespace {

using report::JobPhase;
using report::JobStatus;

constexpr std::uint64_t kSubmitted = 1'795'024'000;  // 2026-11-18 17:46:40 UTC

JobStatus finished_job() {
  JobStatus status;
  status.job_id = "chest-xray-1";
  status.researcher = "ada";
  status.phase = JobPhase::kFinished;
  status.round = 20;
  status.rounds = 20;
  status.submitted_seconds = kSubmitted;
  status.started_seconds = kSubmitted + 60;
  status.ended_seconds = kSubmitted + 60 + 3845;
  report::RoundRecord record;
  record.round = 20;
  record.metrics.emplace();
  record.metrics->values = {{"loss", 0.35, 0.0, false}, {"accuracy", 0.861}, {"auc", 0.925}};
  status.history.push_back(record);
  return status;
}

JobStatus waiting_job() {
  JobStatus status;
  status.job_id = "skin-12";
  status.researcher = "grace";
  status.phase = JobPhase::kRecruiting;
  status.rounds = 5;
  status.submitted_seconds = kSubmitted + 600;
  status.detail = "waiting for 2 sites: north has no data set 'skin', south waits for approval";
  return status;
}

JobStatus training_job() {
  JobStatus status = finished_job();
  status.job_id = "chest-xray-2";
  status.phase = JobPhase::kTraining;
  status.round = 12;
  status.ended_seconds = 0;
  status.eta_seconds = 754;
  return status;
}

Screen terminal(int width) { return {.width = width, .height = 24, .terminal = true, .colour = false}; }

TEST_CASE("the columns of jobs are as wide as their contents, and a pipe gets all of the text") {
  const auto lines =
      jobs_lines({finished_job(), waiting_job(), training_job()}, kSubmitted + 1000, Screen{.width = 40});
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] ==
        "job           owner  submitted (UTC)   phase       round  duration    ETA  reason or last evaluation");
  CHECK(lines[1] ==
        "chest-xray-1  ada    2026-11-18 17:46  finished    20/20   1:04:05         accuracy 0.861  AUC 0.925");
  CHECK(lines[2] ==
        "skin-12       grace  2026-11-18 17:56  recruiting    0/5                   "
        "waiting for 2 sites: north has no data set 'skin', south waits for approval");
  CHECK(lines[3] ==
        "chest-xray-2  ada    2026-11-18 17:46  training    12/20     15:40  12:34  accuracy 0.861  AUC 0.925");
}

TEST_CASE("on a terminal only the last column of jobs is cut, with an ellipsis") {
  const std::vector<JobStatus> jobs = {finished_job(), waiting_job(), training_job()};
  const auto wide = jobs_lines(jobs, kSubmitted + 1000, terminal(110));
  const auto whole = jobs_lines(jobs, kSubmitted + 1000, Screen{});
  CHECK(wide[0] == whole[0]);
  CHECK(wide[1] == whole[1]);
  CHECK(columns(wide[2]) == 110);
  CHECK(wide[2] == fit(whole[2], 110));
  CHECK_THAT(wide[2], Catch::EndsWith("…"));
}

TEST_CASE("a terminal of 80 columns shows all columns of a typical job") {
  const auto lines = jobs_lines({finished_job(), waiting_job(), training_job()}, kSubmitted + 1000, terminal(80));
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == "job          owner sent (UTC)  phase      round duration   ETA reason or last e…");
  CHECK(lines[1] == "chest-xray-1 ada   11-18 17:46 finished   20/20  1:04:05       accuracy 0.861  …");
  CHECK(lines[2] == "skin-12      grace 11-18 17:56 recruiting   0/5                waiting for 2 si…");
  CHECK(lines[3] == "chest-xray-2 ada   11-18 17:46 training   12/20    15:40 12:34 accuracy 0.861  …");
  for (const std::string& line : lines) CHECK(columns(line) <= 80);
}

TEST_CASE("each job takes one line, however narrow the terminal is, and no control characters get through") {
  JobStatus job = waiting_job();
  job.job_id = std::string(60, 'x') + "-1";
  job.detail = "two\nlines \x1b[2J and \xc3\xa4 \xff";
  for (const int width : {1, 20, 70, 80, 200}) {
    for (const std::string& line : jobs_lines({job}, kSubmitted, terminal(width))) {
      CHECK(columns(line) <= width);
      CHECK(std::ranges::none_of(line, [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
    }
  }
  const std::string line = jobs_lines({job}, kSubmitted, Screen{}).at(1);
  CHECK(line.starts_with(job.job_id + "  grace"));
  CHECK(line.find("ä") != std::string::npos);
}

TEST_CASE("a job without times or with a clock that went back has an empty or a zero duration") {
  JobStatus job = training_job();
  job.submitted_seconds = 0;
  job.eta_seconds.reset();
  job.history = {};
  CHECK(jobs_lines({job}, kSubmitted, Screen{}).at(1) ==
        "chest-xray-2  ada                     training  12/20     0.0 s");
  job.started_seconds = 0;
  CHECK(jobs_lines({job}, kSubmitted, Screen{}).at(1) == "chest-xray-2  ada                     training  12/20");
}

}  // namespace
}  // namespace consilium::cli
