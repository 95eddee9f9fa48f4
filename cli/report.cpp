#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "cli/command.h"
#include "cli/remote.h"
#include "common/files/files.h"
#include "common/report/report_files.h"

namespace consilium::cli {
namespace {

struct PageOptions {
  ConnectionOptions connection;
  std::string job_id;
  std::string out;
  bool json = false;
};

Result<int> write_page(const PageOptions& options) {
  CONSILIUM_ASSIGN(AdminClient client, connect(options.connection));
  CONSILIUM_ASSIGN(const report::Report report, fetch_report(client, options.job_id));
  const std::string file = options.out.empty() ? options.job_id + ".html" : options.out;
  const std::string page = report_html(report);
  CONSILIUM_TRY(files::replace_file(file, std::as_bytes(std::span(page)), files::Access::kUmask));
  if (options.json) {
    const nlohmann::ordered_json printed = {
        {"job_id", options.job_id}, {"phase", report::name_of(report.status.phase)}, {"file", file}};
    fmt::print("{}\n", printed.dump());
  } else {
    fmt::print("{}: {} rounds, {}; the page is {}\n", options.job_id, report.status.history.size(),
               report::name_of(report.status.phase), file);
  }
  return kSuccess;
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("report", "Write a page about a job: what was trained, where, and how well");
  const auto options = std::make_shared<PageOptions>();
  command->add_option("JOB_ID", options->job_id, "as 'consilium jobs' lists it")->required();
  command->add_option("--out", options->out, "the HTML file to write; JOB_ID.html where it isn't given");
  add_connection_options(*command, options->connection);
  add_json_option(*command, options->json);
  command->footer(
      "The page needs no network and no other file, and can be printed. It shows a job that still runs, too.\n"
      "'fetch', 'simulate' and 'sandbox' leave the same page as report.html in their folder.\n\n"
      "Examples:\n  consilium report chest-xray-1\n  consilium report chest-xray-1 --out board-meeting.html");
  command->callback([options, &action] { action = [options] { return write_page(*options); }; });
}

}  // namespace consilium::cli
