#include "cli/ca_roster.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <vector>

#include "common/files/files.h"
#include "common/pki/authority.h"
#include "common/roster/consent.h"
#include "common/roster/consortium_file.h"
#include "common/roster/exposure.h"
#include "common/roster/members.h"
#include "common/roster/roster_change.h"
#include "common/roster/roster_file.h"
#include "common/roster/succession.h"

namespace consilium::cli {
namespace {

constexpr const char* kRosterExamples =
    "Examples:\n"
    "  consilium ca roster --out roster.yaml\n"
    "  consilium ca roster --consortium consortium.yaml --out roster-1.yaml\n"
    "  consilium ca roster --consortium consortium.yaml --previous roster-1.yaml --out roster-2.yaml\n"
    "  consilium ca roster --consortium consortium.yaml --previous roster-1.yaml --consent west.yaml --out "
    "roster-2.yaml\n"
    "  consilium ca roster --consortium consortium.yaml --previous roster-2.yaml --successor north.yaml --out "
    "roster-3.yaml";

Result<std::string> text_of(const roster::Roster& roster, bool json) {
  const std::string text = roster::roster_text(roster);
  CONSILIUM_TRY(
      roster::parse_roster(text, "the new roster"));  // so that no member receives a file that no site could read
  return json ? roster::roster_json(roster) : text;
}

/// Adds signatures to a roster, each only if it is valid.
Result<void> add_consents(roster::Roster& next, const roster::Roster* previous, const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    CONSILIUM_ASSIGN(const std::vector<roster::Consent> consents, roster::read_consents(file));
    for (const roster::Consent& consent : consents) {
      const crypto::Digest* key = roster::consent_key({.known = previous, .next = next}, consent.site);
      if (key == nullptr) return fail(ErrorCode::kNotFound, file + ": '" + consent.site + "' isn't one of the sites");
      const auto good = roster::check_consent(next, consent, *key);
      if (!good) return fail(good.error().within(file));
      next.consents.push_back(consent);
    }
  }
  return {};
}

Result<std::vector<roster::Succession>> read_successions(const std::vector<std::string>& files) {
  std::vector<roster::Succession> all;
  for (const std::string& file : files) {
    CONSILIUM_ASSIGN(std::vector<roster::Succession> read, roster::read_successions(file));
    std::move(read.begin(), read.end(), std::back_inserter(all));
  }
  return all;
}

/// Prints what the author of a roster has to do before sites accept it.
void print_exposures(const roster::Change& change, const std::string& file, std::ostream& out) {
  bool missing = false;
  for (const roster::Exposure& exposure : roster::find_exposures(change)) {
    out << "In " << roster::describe(change.next, exposure) << ".\n";
    if (exposure.missing.empty()) continue;
    out << "  Sites refuse the roster until each of " << roster::set_text(exposure.missing) << " has signed.\n";
    missing = true;
  }
  if (missing)
    out << "To sign, a site runs consilium-client roster consent " << file
        << " --out SITE.yaml; then repeat this command with --consent SITE.yaml for each.\n";
}

/// Refuses to overwrite a roster that is still needed: the previous one, or one that is newer than this.
Result<void> check_target(const roster::Roster& next, const RosterOptions& options) {
  std::error_code none;
  if (!options.previous.empty() && std::filesystem::equivalent(options.out, options.previous, none)) {
    return fail(ErrorCode::kInvalidArgument,
                options.out +
                    ": --out is the roster before, which is needed still; keep every roster, and write roster " +
                    std::to_string(next.serial) + " into a file of its own");
  }
  if (!std::filesystem::exists(options.out, none)) return {};
  const auto there = roster::read_roster(options.out);
  if (!there || there->serial <= next.serial) return {};  // the same roster again, with another signature
  return fail(ErrorCode::kAlreadyExists,
              options.out + ": holds roster " + std::to_string(there->serial) + ", and this one would be roster " +
                  std::to_string(next.serial) +
                  ", which sites refuse: give the newest roster as --previous, and another file as --out");
}

Result<int> write(const std::string& text, const roster::Roster& roster, const RosterOptions& options,
                  std::ostream& out) {
  CONSILIUM_TRY(check_target(roster, options));
  CONSILIUM_TRY(files::replace_file(options.out, text));
  out << "Wrote " << options.out << " with " << roster.sites.size() << " sites and " << roster.researchers.size()
      << " researchers; hand it to each site over another channel than the coordinator.\n";
  return 0;
}

Result<int> list_members(const roster::Roster& members, const RosterOptions& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const std::string text, text_of(members, options.json));
  if (options.out.empty()) {
    out << text;
    return 0;
  }
  CONSILIUM_TRY(write(text, members, options, out));
  out << "It has no populations, so jobs with secure aggregation run in mode masked-threshold, which promises less "
         "than sums over whole groups. For those, make it with --consortium consortium.yaml.\n";
  return 0;
}

}  // namespace

Result<int> make_roster(const RosterOptions& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const pki::Authority authority, pki::Authority::open(options.folder));
  CONSILIUM_ASSIGN(const roster::Roster members, roster::members_of(authority));
  if (options.consortium.empty()) return list_members(members, options, out);
  std::optional<roster::Roster> previous;
  if (!options.previous.empty()) {
    CONSILIUM_ASSIGN(previous, roster::read_roster(options.previous));
  }
  const roster::Roster* known = previous ? &*previous : nullptr;
  CONSILIUM_ASSIGN(const roster::Consortium plan, roster::read_consortium(options.consortium, members));
  CONSILIUM_ASSIGN(const std::vector<roster::Succession> successions, read_successions(options.successors));
  auto made = roster::make_roster(members, plan, known, successions);
  if (!made) return fail(made.error().within(std::filesystem::path(options.consortium).filename().string()));
  roster::Roster& next = made->roster;
  CONSILIUM_TRY(add_consents(next, known, options.consents));
  CONSILIUM_ASSIGN(const std::string text, text_of(next, options.json));
  CONSILIUM_ASSIGN(const int code, write(text, next, options, out));
  for (const std::string& note : made->notes) out << note << "\n";
  print_exposures({.known = known, .next = next}, options.out, out);
  return code;
}

void add_ca_roster_command(CLI::App& ca, std::function<Result<int>()>& action, std::ostream& out) {
  const auto options = std::make_shared<RosterOptions>();
  CLI::App* command = ca.add_subcommand("roster", "list the members in force, and make the roster that sites get");
  command->footer(kRosterExamples);
  command->add_option("--ca", options->folder, "folder of the authority")->capture_default_str();
  CLI::Option* file = command->add_option("--out", options->out, "write it to this file");
  CLI::Option* consortium = command->add_option("--consortium", options->consortium,
                                                "the consortium's populations: makes a roster with groups and history");
  consortium->needs(file);
  command->add_option("--previous", options->previous, "the roster that sites have now; without it serial 1 is made")
      ->needs(consortium);
  command->add_option("--consent", options->consents, "a site's signature; may be repeated")->needs(consortium);
  command->add_option("--successor", options->successors, "a site's signature under its new key; may be repeated")
      ->needs(consortium);
  command->add_flag("--json", options->json, "write JSON for programs");
  command->callback([options, &action, &out] { action = [options, &out] { return make_roster(*options, out); }; });
}

}  // namespace consilium::cli
