#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/live_view.h"
#include "cli/remote.h"
#include "common/pki/index.h"

namespace consilium::cli {
namespace {

struct SitesOptions {
  ConnectionOptions connection;
  bool json = false;
};

Result<int> sites(const SitesOptions& options) {
  CONSILIUM_ASSIGN(AdminClient client, connect(options.connection));
  CONSILIUM_ASSIGN(const auto all, client.sites());
  if (options.json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const auto& site : all) {
      list.push_back(
          {{"name", site.name},
           {"connected", site.connected},
           {"software", site.software},
           {"datasets", site.datasets},
           {"activity", site.activity},
           {"certificate_end", site.certificate_end == 0 ? nlohmann::ordered_json()
                                                         : nlohmann::ordered_json(pki::to_iso(site.certificate_end))}});
    }
    fmt::print("{}\n", list.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return kSuccess;
  }
  if (all.empty()) {
    fmt::print("no site has connected yet\n");
    return kSuccess;
  }
  fmt::print("{:<24} {:<10} {:<24} {:<20} {}\n", "site", "connected", "software", "data sets", "activity");
  for (const auto& site : all) {
    std::string datasets;
    for (const std::string& name : site.datasets) datasets += (datasets.empty() ? "" : ", ") + name;
    fmt::print("{:<24} {:<10} {:<24} {:<20} {}\n", printable(site.name), site.connected ? "yes" : "no",
               printable(site.software), printable(datasets), printable(site.activity));
  }
  warn_of_ends(all);
  return kSuccess;
}

}  // namespace

void add_sites(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("sites", "List the sites that the coordinator knows");
  const auto options = std::make_shared<SitesOptions>();
  add_connection_options(*command, options->connection);
  add_json_option(*command, options->json);
  command->footer("Example:\n  consilium sites");
  command->callback([options, &action] { action = [options] { return sites(*options); }; });
}

}  // namespace consilium::cli
