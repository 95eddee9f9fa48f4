#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/report/report_files.h"
#include "tests/catch.h"
#include "tests/unit/common/report/edit_record.h"
#include "tests/unit/common/report/report_job.h"

namespace consilium::report {
namespace {

bool holds(const std::string& page, std::string_view text) { return page.find(text) != std::string::npos; }

task::Metrics evaluated(double accuracy) {
  task::Metrics metrics;
  metrics.examples = 4321;
  metrics.values = {{"loss", 0.5, 0.0, false}, {"accuracy", accuracy}, {"auc", accuracy + 0.05, 0.01}};
  metrics.tables = {{"confusion", 2, 2, {41, 13, 27, 35}}, {"calibration", 2, 3, {0, 0, 0, 8, 6, 7 << 20}}};
  return metrics;
}

Report finished_run() {
  Report report;
  report.spec = *job::parse_job(kReportJob, "job.yaml");
  report.status.job_id = "lungs-1";
  report.status.researcher = "ada";
  report.status.phase = JobPhase::kFinished;
  report.status.sites = {{"north", "finished"}, {"south", "declined: no data set 'chest'"}, {"west", "finished"}};
  RoundRecord first;
  first.round = 1;
  first.cohort = {"north", "south", "west"};
  first.contributed = {"north", "west"};
  first.failed = {{"south", "out of memory"}};
  first.train_loss = 0.9;
  RoundRecord second = first;
  second.round = 2;
  second.metrics = evaluated(0.812);
  second.site_metrics = {{"north", evaluated(0.777)}, {"west", evaluated(0.847)}};
  report.status.history = {first, second};
  report.comparison.alone = {{"north", evaluated(0.611)}, {"west", evaluated(0.633)}};
  report.comparison.federated = evaluated(0.812);
  report.comparison.pooled = evaluated(0.829);
  report.versions = {{"consilium", "0.1.0"}};
  return report;
}

TEST_CASE("the page says what was trained, where, how well, and what training together brought") {
  const std::string page = report_html(finished_run());
  for (const char* text :
       {"lungs", "lungs-1", "submitted by ada", "classification", "2 of 3", "0.812", "0.862 ± 0.010",
        "better by 0.190 (accuracy)", "by a site alone (mean of 2)", "0.829", "4321", ">41</td>",
        "declined: no data set &#39;chest&#39;", "round 2: out of memory", "Secure aggregation was off"})
    CHECK(holds(page, text));
  CHECK(holds(page, crypto::to_hex(job::job_digest(finished_run().spec))));
  CHECK(holds(page, "up to 1.00</td><td>8</td><td>0.875</td><td>0.750"));
}

TEST_CASE("the page of a run that lost to its sites says so") {
  Report report = finished_run();
  report.comparison.federated = evaluated(0.5);
  CHECK(holds(report_html(report), "worse by 0.122 (accuracy)"));
}

TEST_CASE("the page tells of the job's own model, which may be that of an earlier round") {
  Report report = finished_run();
  RoundRecord later = report.status.history[1];
  later.round = 3;
  later.metrics = evaluated(0.666);
  later.site_metrics.clear();
  edit_record(report.status.history, 1, [&](RoundRecord& record) { record.model = crypto::sha256("the best one"); });
  later.model = crypto::sha256("the last one");
  report.status.history.push_back(later);
  report.status.model = later.model;
  CHECK(holds(report_html(report), "The model after round 3"));
  report.status.model = report.status.history[1].model;
  CHECK(holds(report_html(report), "The model after round 2"));
  CHECK(holds(report_html(report), "0.812"));
}

TEST_CASE("the page sets the models that sites trained alone beside the federation's") {
  Report report = finished_run();
  report.comparison = {};
  CHECK_FALSE(holds(report_html(report), "each site alone"));
  edit_record(report.status.history, 1, [&](RoundRecord& record) { record.alone = evaluated(0.712); });
  const std::string page = report_html(report);
  CHECK(holds(page, "each site alone"));
  CHECK(holds(page, "0.712"));
  CHECK(holds(page, "better by 0.100 (accuracy) than the sites' own models"));
  // With fewer examples no difference is reported.
  edit_record(report.status.history, 1, [&](RoundRecord& record) { record.alone->examples -= 1; });
  CHECK_FALSE(holds(report_html(report), "than the sites' own models"));
}

TEST_CASE("the page tells the interval of a gain, and whether it leaves room for a loss") {
  Report report = finished_run();
  report.comparison.ensemble = evaluated(0.7);
  report.comparison.federated->values[1].interval = task::Interval{0.75, 0.875};
  report.comparison.gain_intervals["accuracy"] = {0.125, 0.25};
  CHECK(holds(report_html(report), "0.812<br><span class=\"soft\">0.750 to 0.875</span>"));
  CHECK(holds(report_html(report), "predictions averaged"));
  CHECK(holds(report_html(report), "between 0.125 and 0.250"));
  CHECK(holds(report_html(report), "would hardly reverse the result"));
  report.comparison.gain_intervals["accuracy"] = {-0.125, 0.25};
  CHECK(holds(report_html(report), "it includes 0"));
  report.comparison.gain_intervals.clear();
  CHECK(holds(report_html(report),
              "No interval is given, because it needs counts for single patients: at least 10 patients"));
}

TEST_CASE("the page of a plain job has each site's metrics; that of a masked one has no number of a single site") {
  Report report = finished_run();
  const std::vector<std::string> own = {"0.777", "0.847", "0.611", "0.633"};
  for (const std::string& number : own) CHECK(holds(report_html(report), number));
  report.spec.privacy.secure_aggregation = job::SecureAggregation::kRequired;
  report.spec.federation.roster = job::simulated_roster(report.spec.federation.sites);
  const std::string masked = report_html(report);
  for (const std::string& number : own) CHECK_FALSE(holds(masked, number));
  CHECK(holds(masked, "Secure aggregation was on"));
  CHECK(holds(masked, "mean of 2"));  // the mean of several sites may be reported
}

TEST_CASE("the page escapes what others chose, runs nothing and loads nothing") {
  Report report = finished_run();
  const std::string bad = "<script src='http://x.example/'>alert(\"x\")</script><img onerror=x>&";
  report.spec.name = report.spec.data.dataset = bad;
  report.status.job_id = report.status.researcher = report.status.detail = bad;
  report.status.sites[bad] = bad;
  edit_record(report.status.history, 1, [&](RoundRecord& record) { record.failed[bad] = bad; });
  edit_record(report.status.history, 1, [&](RoundRecord& record) { record.site_metrics[bad] = evaluated(0.9); });
  report.comparison.alone[bad] = evaluated(0.9);
  report.versions[bad] = bad;
  const std::string page = report_html(report);
  for (const char* markup : {"<script", "<img", "<link", "<iframe", "src=\"", "src='", "href=", "url(", "@import"})
    CHECK_FALSE(holds(page, markup));
  CHECK(holds(page, "&lt;script src=&#39;http"));
  CHECK(holds(page, "default-src 'none'"));
}

TEST_CASE("the page stands without rounds, metrics and sites, and with tables that are too large for it") {
  Report report;
  report.spec = *job::parse_job(kReportJob, "job.yaml");
  report.status.phase = JobPhase::kFailed;
  report.status.detail = "no site accepted";
  CHECK(holds(report_html(report), "failed: no site accepted"));

  report = finished_run();
  edit_record(report.status.history, 1, [&](RoundRecord& record) {
    record.metrics->tables = {{"confusion", 31, 31, std::vector<std::uint64_t>(31 * 31, 1)}};
  });
  CHECK(holds(report_html(report), "The table has 31 rows and 31 columns; report.json holds it."));
}

}  // namespace
}  // namespace consilium::report
