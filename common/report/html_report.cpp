#include <spdlog/fmt/fmt.h>

#include <string>
#include <string_view>

#include "common/job/strategies.h"
#include "common/report/html_sections.h"
#include "common/report/line_chart.h"
#include "common/report/markup.h"
#include "common/report/report_chart.h"
#include "common/task/task_spec.h"

namespace consilium::report {
namespace {

/// The page's head. Its policy tells the browser to load and run nothing, in case an escape is ever missing.
constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
)";

constexpr std::string_view kPageStyle = R"(<style>
:root{--ink:#1f2429;--soft:#5c646d;--rule:#dfe3e8;--paper:#ffffff;--card:#f5f7f9;--strong:#0072b2;--heat:0,114,178}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e4e7eb;--soft:#a3abb5;--rule:#32383f;--paper:#181b1f;--card:#20252a;--strong:#56b4e9;--heat:86,180,233}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,'Segoe UI',Helvetica,Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:28px;line-height:1.2;margin:0;overflow-wrap:anywhere}
h2{font-size:20px;margin:40px 0 12px}
p{margin:8px 0;max-width:72ch}
.soft{color:var(--soft)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:22px 0 0}
.card{background:var(--card);border-radius:8px;padding:12px 14px}
.card b{display:block;font-size:22px;line-height:1.25;overflow-wrap:anywhere}
.card span{color:var(--soft);font-size:14px}
.charts{display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start}
.charts svg{width:100%;height:auto;max-width:520px;flex:1 1 320px}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:6px 12px;border-bottom:1px solid var(--rule);text-align:right;vertical-align:top}
th:first-child,td:first-child,td.words,th.words{text-align:left}
th{font-weight:600;color:var(--soft);font-size:14px}
tr.strong td{font-weight:600}
.track{display:inline-block;width:160px;height:10px;border-radius:2px;overflow:hidden;background:var(--rule)}
.bar{display:block;height:100%;background:var(--strong)}
td.value{white-space:nowrap}
td.bars{text-align:left;white-space:nowrap}
td.count{text-align:center}
code{font:13px/1.5 ui-monospace,Consolas,Menlo,monospace;overflow-wrap:anywhere}
pre{background:var(--card);border-radius:8px;padding:14px;overflow-x:auto;font:13px/1.5 ui-monospace,Consolas,Menlo,monospace}
summary{cursor:pointer;color:var(--strong)}
.examples{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:16px}
figure{margin:0;break-inside:avoid}
figure img{display:block;width:100%;border-radius:6px}
figcaption{color:var(--soft);font-size:14px;overflow-wrap:anywhere;margin-top:4px}
@media (max-width:600px){main{padding:18px 14px 40px}h1{font-size:23px}th,td{padding:5px 8px}.track{width:90px}}
@media print{main{max-width:none;padding:0}tr,svg{break-inside:avoid}h2,thead{break-after:avoid}.wide{overflow:visible}.card,pre,td.count,.bar,.track{print-color-adjust:exact;-webkit-print-color-adjust:exact}details{display:none}}
</style>
)";

void add_card(std::string& out, std::string_view value, std::string_view what) {
  out += fmt::format("<div class=\"card\"><b>{}</b><span>{}</span></div>\n", escape_markup(value), escape_markup(what));
}

std::string how_it_ended(const Report& report) {
  const JobStatus& status = report.status;
  std::string text(name_of(status.phase));
  if (!status.detail.empty() && status.detail != text) text += ": " + status.detail;
  return text;
}

std::string header(const Report& report) {
  const job::JobSpec& spec = report.spec;
  std::string out = fmt::format("<h1>{}</h1>\n<p class=\"soft\">", escape_markup(spec.name));
  if (!report.status.job_id.empty()) out += fmt::format("{}, ", escape_markup(report.status.job_id));
  if (!report.status.researcher.empty())
    out += fmt::format("submitted by {}, ", escape_markup(report.status.researcher));
  out += escape_markup(how_it_ended(report)) + "</p>\n";
  out += fmt::format(
      "<p>A model for {} was trained on the data set <code>{}</code>, by {}, {} local epoch{} a round.</p>\n",
      escape_markup(task::heading_of(task::name_of(spec.task.kind))), escape_markup(spec.data.dataset),
      job::traits_of(spec.strategy.kind).title, spec.training.local_epochs, spec.training.local_epochs == 1 ? "" : "s");
  return out;
}

std::string cards(const Report& report) {
  std::string out = "<div class=\"cards\">\n";
  const RoundRecord* last = evaluation_of(report.status);
  for (std::size_t i = 0; last != nullptr && i < 2; ++i) {
    const task::Metric* metric = task::headline(*last->metrics, i);
    if (metric == nullptr) continue;
    add_card(out, value_text(*metric),
             fmt::format("{}, {}, round {}", task::heading_of(metric->name), job::name_of(report.spec.evaluation.split),
                         last->round));
  }
  add_card(out, fmt::format("{} of {}", report.status.history.size(), report.spec.federation.rounds),
           "rounds committed");
  add_card(out, fmt::format("{}", report.status.sites.size()), "sites");
  add_card(out, fmt::format("{}", report.status.examples), "training examples, all sites together");
  add_card(out, job::is_masked(report.spec) ? "masked" : "not masked", "updates, as the coordinator saw them");
  return out + "</div>\n";
}

std::string curves_section(const Report& report) {
  Chart chart = chart_of(report);
  std::string out = "<section><h2>Training</h2>\n<div class=\"charts\">\n";
  for (Panel& panel : chart.panels) out += svg_element({{}, {}, chart.x_label, {std::move(panel)}});
  return out + "</div></section>\n";
}

}  // namespace

std::string report_html(const Report& report) {
  std::string out(kHead);
  out += fmt::format("<title>{}</title>\n", escape_markup(report.spec.name));
  out += kPageStyle;
  out += "</head>\n<body>\n<main>\n";
  out +=
      header(report) + cards(report) + comparison_section(report) + curves_section(report) + evaluation_section(report);
  out += fmt::format("{}{}\n", kExamplesBegin, kExamplesEnd);
  out += sites_section(report) + privacy_section(report) + reproduction_section(report);
  return out + "</main>\n</body>\n</html>\n";
}

}  // namespace consilium::report
