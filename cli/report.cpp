#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "cli/command.h"
#include "cli/remote.h"
#include "common/crypto/sha256.h"
#include "common/files/files.h"
#include "common/report/example_predictions.h"
#include "common/report/report_files.h"
#include "common/report/result_folder.h"

namespace consilium::cli {
namespace {

/// A page without examples has about 100 kB, and the size of examples is limited.
constexpr std::size_t kMostPageBytes = std::size_t{128} << 20;

struct PageOptions {
  ConnectionOptions connection;
  std::string source;  ///< a job's id or a result folder
  std::string examples;
  std::string out;
  bool json = false;
};

/// A page and facts about it.
struct Page {
  std::string text;
  std::string name;              ///< of the job or the file
  std::set<std::string> models;  ///< SHA-256 of each model that the page's job had
  nlohmann::ordered_json told;
  std::string in_words;
};

Result<Page> page_of_job(const PageOptions& options) {
  CONSILIUM_ASSIGN(AdminClient client, connect(options.connection));
  CONSILIUM_ASSIGN(const report::Report report, fetch_report(client, options.source));
  const report::JobStatus& status = report.status;
  Page page{.text = report_html(report), .name = options.source, .models = {}, .told = {}, .in_words = {}};
  if (status.model) page.models.insert(crypto::to_hex(*status.model));
  for (const report::RoundRecord& round : status.history) page.models.insert(crypto::to_hex(round.model));
  page.told = {{"job_id", options.source}, {"phase", report::name_of(status.phase)}};
  page.in_words = fmt::format("{} rounds, {}", status.history.size(), report::name_of(status.phase));
  return page;
}

/// Returns the page that a run left in its folder.
Result<Page> page_of_folder(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / report::kPageFile;
  const std::filesystem::path json = folder / report::kReportFile;
  CONSILIUM_ASSIGN(const std::string text, files::read_file(json, report::kMostReportBytes));
  CONSILIUM_ASSIGN(const report::ReportedModel reported, report::parse_report(text, json.string()));
  Page page{.text = {}, .name = file.string(), .models = {}, .told = {{"job", reported.job.name}}, .in_words = {}};
  CONSILIUM_ASSIGN(page.text, files::read_file(file, kMostPageBytes));
  if (reported.digest) page.models.insert(*reported.digest);
  for (const auto& [digest, round] : reported.rounds) page.models.insert(digest);
  page.in_words = fmt::format("job {}", reported.job.name);
  return page;
}

Result<void> add_examples(Page& page, const std::string& folder) {
  CONSILIUM_ASSIGN(const report::ExamplePredictions examples, report::read_example_predictions(folder));
  if (!page.models.contains(examples.model)) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("--examples {}: these predictions are by the model {}, which isn't a model of {}; predict "
                            "with the model that the page is about",
                            folder, examples.model, page.name));
  }
  CONSILIUM_ASSIGN(page.text, report::with_example_predictions(std::move(page.text), examples, page.name));
  page.told["examples"] = examples.shown.size();
  page.in_words += fmt::format(", {} example predictions", examples.shown.size());
  return {};
}

/// Allows only a page to be overwritten, since it can be regenerated at any time. Any other file is kept.
Result<void> check_replaced(const std::filesystem::path& file) {
  constexpr std::string_view kBegin = "<!doctype html>";
  std::error_code code;
  if (!std::filesystem::exists(file, code)) return {};
  std::string begin(kBegin.size(), '\0');
  std::ifstream(file, std::ios::binary).read(begin.data(), static_cast<std::streamsize>(begin.size()));
  std::ranges::transform(begin, begin.begin(),
                         [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  if (begin == kBegin) return {};
  return fail(ErrorCode::kAlreadyExists,
              fmt::format("--out {}: already exists and isn't a report page; name another file", file.string()));
}

Result<int> write_page(const PageOptions& options) {
  std::error_code code;
  const bool folder = std::filesystem::is_directory(options.source, code);
  if (folder && options.examples.empty()) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} is a folder, which already has the page {}; add example predictions to it with --examples",
                    options.source, (std::filesystem::path(options.source) / report::kPageFile).string()));
  }
  if (!folder && options.source.find('/') != std::string::npos) {
    return fail(ErrorCode::kNotFound, options.source + ": no such folder; expected a job's id, or the folder of a run");
  }
  CONSILIUM_ASSIGN(Page page, folder ? page_of_folder(options.source) : page_of_job(options));
  if (!options.examples.empty()) CONSILIUM_TRY(add_examples(page, options.examples));
  const std::string file = !options.out.empty() ? options.out : folder ? page.name : options.source + ".html";
  CONSILIUM_TRY(check_replaced(file));
  CONSILIUM_TRY(files::replace_file(file, std::as_bytes(std::span(page.text)), files::Access::kUmask));
  if (options.json) {
    page.told["file"] = file;
    fmt::print("{}\n", page.told.dump());
  } else {
    fmt::print("{}: {}; the page is {}\n", options.source, page.in_words, file);
  }
  return kSuccess;
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("report", "Write a page about a job: what was trained, where, and how well");
  const auto options = std::make_shared<PageOptions>();
  command->add_option("JOB_ID", options->source, "as 'consilium jobs' lists it, or the folder of a run")->required();
  command
      ->add_option(
          "--examples", options->examples,
          "a folder of 'consilium-trainer predict --overlays' with public images only, because the page will show them")
      ->type_name("FOLDER");
  command->add_option("--out", options->out, "the HTML file to write (default: JOB_ID.html, or the folder's own page)");
  add_connection_options(*command, options->connection);
  add_json_option(*command, options->json);
  command->footer(
      "The page needs no network and no other file, and can be printed. The job may still be running.\n"
      "'fetch', 'simulate' and 'sandbox' leave the same page as report.html in their folder.\n\n"
      "Examples:\n  consilium report chest-xray-1\n  consilium report chest-xray-1 --out board-meeting.html\n"
      "  consilium report results --examples predictions      # adds up to 12 predictions on public images");
  command->callback([options, &action] { action = [options] { return write_page(*options); }; });
}

}  // namespace consilium::cli
