#include "cli/ca_kit.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <istream>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cli/ca_roster.h"
#include "common/files/files.h"
#include "common/kit/kit.h"
#include "common/pki/authority.h"
#include "common/pki/enrollment.h"
#include "common/roster/consortium_file.h"
#include "common/roster/members.h"
#include "common/roster/roster_file.h"

namespace consilium::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::days kMemberValidity{365};
constexpr std::size_t kLargestText = 1 << 20;

struct KitOptions {
  std::string folder = "ca";
  std::vector<std::string> names;
  std::string address;
  std::string consortium;
  std::string roster;
  std::string out = "kits";
};

/// Returns the names of all data sets in consortium.yaml. Its groups can name hospitals that have no certificate yet.
Result<std::vector<std::string>> datasets_of(const pki::Authority& authority, const KitOptions& options) {
  CONSILIUM_ASSIGN(roster::Roster members, roster::members_of(authority));
  for (const std::string& name : options.names) members.sites.try_emplace(name);
  CONSILIUM_ASSIGN(const roster::Consortium plan, roster::read_consortium(options.consortium, members));
  std::set<std::string> names;
  for (const roster::PopulationPlan& population : plan.populations)
    names.insert(population.datasets.begin(), population.datasets.end());
  return std::vector<std::string>(names.begin(), names.end());
}

Result<void> check_names(const std::vector<std::string>& names) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    CONSILIUM_TRY(pki::check_name(name));
    if (!seen.insert(name).second) return fail(ErrorCode::kInvalidArgument, "'" + name + "' is named twice");
  }
  return {};
}

/// Refuses a folder that exists. This is checked before the first folder is written, so that all are made or none.
Result<void> check_new(const fs::path& folder) {
  std::error_code code;
  if (!fs::exists(fs::symlink_status(folder, code))) return {};
  return fail(ErrorCode::kAlreadyExists,
              folder.string() +
                  ": exists already, and files of two kits must not mix; move it away, or name "
                  "another folder with --out");
}

Result<int> make_kits(const KitOptions& options, std::ostream& out) {
  CONSILIUM_TRY(check_names(options.names));
  CONSILIUM_ASSIGN(const kit::Address address, kit::read_address(options.address, "--address"));
  CONSILIUM_ASSIGN(const pki::Authority authority, pki::Authority::open(options.folder));
  CONSILIUM_ASSIGN(const std::vector<std::string> datasets, datasets_of(authority, options));
  CONSILIUM_ASSIGN(const std::string root, files::read_file(authority.root_certificate(), kLargestText));
  CONSILIUM_ASSIGN(const std::string list, files::read_file(authority.revocation_list(), kLargestText));
  std::string roster;
  if (!options.roster.empty()) {
    CONSILIUM_ASSIGN(const roster::Roster read, roster::read_roster(options.roster));
    if (read.consortium != authority.consortium()) {
      return fail(ErrorCode::kInvalidArgument, options.roster + ": is the roster of consortium '" + read.consortium +
                                                   "', not of '" + authority.consortium() + "'");
    }
    CONSILIUM_ASSIGN(roster, files::read_file(options.roster, kLargestText));
  }
  for (const std::string& name : options.names) CONSILIUM_TRY(check_new(fs::path(options.out) / name));
  CONSILIUM_ASSIGN(const std::string root_key, pki::key_fingerprint(root));
  out << "Consortium " << authority.consortium() << ", coordinator " << address.text << "\n"
      << "root  " << root_key << "\n";
  for (const std::string& name : options.names) {
    CONSILIUM_ASSIGN(kit::Files files,
                     kit::make_kit({authority.consortium(), name, address.text, datasets}, root, list));
    out << "kit   " << kit::fingerprint(files) << "  " << (fs::path(options.out) / name).string() << "\n";
    if (!roster.empty()) files[kit::kRosterFile] = roster;
    CONSILIUM_TRY(kit::write_new_folder(fs::path(options.out) / name, files));
  }
  out << "Nothing in a kit is secret. Give each hospital its folder, and compare both fingerprints with the hospital "
         "by\n"
         "telephone: sudo consilium-client join NAME prints them there.\n"
         "Next, when you have the hospitals' requests: consilium ca admit\n";
  return 0;
}

struct AdmitOptions {
  std::vector<std::string> sites;
  std::vector<std::string> researchers;
  std::string coordinator;
  std::string address;
  std::string out = "answers";
  bool compared = false;
  RosterOptions roster;
};

/// A member that requests a certificate. The command line determines role and name; the request doesn't.
struct Candidate {
  pki::Role role;
  std::string name;
  std::string request;
  std::string fingerprint;
};

Result<Candidate> read_candidate(pki::Role role, const std::string& file) {
  Candidate candidate{role, fs::path(file).stem().string(), {}, {}};
  if (const auto checked = pki::check_name(candidate.name); !checked) return fail(checked.error().within(file));
  CONSILIUM_ASSIGN(candidate.request, pki::read_request_file(file));
  auto fingerprint = pki::request_fingerprint(candidate.request);
  if (!fingerprint) return fail(fingerprint.error().within(file));
  candidate.fingerprint = *std::move(fingerprint);
  return candidate;
}

Result<std::vector<Candidate>> read_candidates(const AdmitOptions& options) {
  std::vector<std::pair<pki::Role, std::string>> requests;
  if (!options.coordinator.empty()) requests.emplace_back(pki::Role::kCoordinator, options.coordinator);
  for (const std::string& file : options.researchers) requests.emplace_back(pki::Role::kResearcher, file);
  for (const std::string& file : options.sites) requests.emplace_back(pki::Role::kSite, file);
  if (requests.empty())
    return fail(ErrorCode::kInvalidArgument,
                "no request was given; name one with --site, --researcher or --coordinator");
  std::vector<Candidate> candidates;
  std::set<std::string> names;
  for (const auto& [role, file] : requests) {
    CONSILIUM_ASSIGN(Candidate candidate, read_candidate(role, file));
    if (!names.insert(candidate.name).second)
      return fail(ErrorCode::kInvalidArgument, file + ": another request has the name '" + candidate.name + "', too");
    CONSILIUM_TRY(check_new(fs::path(options.out) / candidate.name));
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

/// Asks the user to confirm for each request that its key is the one that its owner reads out.
Result<void> ask_for_comparison(const std::vector<Candidate>& candidates, std::istream& in, std::ostream& out) {
  out << "Telephone each member, on a number that you already know, and let them read out their key.\n";
  for (const Candidate& candidate : candidates) {
    out << pki::name_of(candidate.role) << " " << candidate.name << ": " << candidate.fingerprint
        << "\n  Is their key the same? Type yes or no: " << std::flush;
    std::string answer;
    if (!std::getline(in, answer) || answer != "yes") {
      out << "\n";
      return fail(ErrorCode::kFailedPrecondition,
                  "nothing was signed, because the key of " + candidate.name + " wasn't confirmed with yes");
    }
  }
  return {};
}

/// Returns the files that one member gets back.
Result<kit::Files> answer_for(const Candidate& candidate, const pki::Authority& authority, const kit::Address& address,
                              const std::string& roster) {
  kit::Files files;
  if (candidate.role == pki::Role::kCoordinator) {
    CONSILIUM_ASSIGN(files, kit::make_coordinator_files(candidate.name));
  } else if (candidate.role == pki::Role::kResearcher) {
    files = kit::make_researcher_files(candidate.name, address.text);
  }
  if (candidate.role != pki::Role::kSite) {  // a hospital's kit already has them
    CONSILIUM_ASSIGN(files[kit::kRootFile], files::read_file(authority.root_certificate(), kLargestText));
    CONSILIUM_ASSIGN(files[kit::kListFile], files::read_file(authority.revocation_list(), kLargestText));
  }
  if (candidate.role != pki::Role::kCoordinator && !roster.empty()) files[kit::kRosterFile] = roster;
  return files;
}

Result<int> admit(AdmitOptions options, std::istream& in, std::ostream& out) {
  CONSILIUM_ASSIGN(const kit::Address address, kit::read_address(options.address, "--address"));
  CONSILIUM_ASSIGN(pki::Authority authority, pki::Authority::open(options.roster.folder));
  CONSILIUM_ASSIGN(const std::vector<Candidate> candidates, read_candidates(options));
  if (!options.compared) CONSILIUM_TRY(ask_for_comparison(candidates, in, out));
  std::vector<std::string> certificates;
  for (const Candidate& candidate : candidates) {
    const bool coordinates = candidate.role == pki::Role::kCoordinator;
    auto certificate =
        authority.sign(candidate.request, {authority.consortium(), candidate.role, candidate.name},
                       coordinates ? std::vector{address.host} : std::vector<std::string>(), kMemberValidity);
    if (!certificate) return fail(certificate.error().within(candidate.name));
    certificates.push_back(*std::move(certificate));
  }
  std::string roster;
  if (!options.roster.consortium.empty()) {
    CONSILIUM_TRY(make_roster(options.roster, out));
    CONSILIUM_ASSIGN(roster, files::read_file(options.roster.out, kLargestText));
  }
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    CONSILIUM_ASSIGN(kit::Files files, answer_for(candidates[i], authority, address, roster));
    files[candidates[i].name + ".pem"] = certificates[i];
    const fs::path folder = fs::path(options.out) / candidates[i].name;
    CONSILIUM_TRY(kit::write_new_folder(folder, files));
    out << "Signed " << pki::name_of(candidates[i].role) << " " << candidates[i].name << "; send back the contents of "
        << folder.string() << "\n";
  }
  if (roster.empty() && !options.sites.empty())
    out << "The hospitals also need a roster; make it when all members are admitted: consilium ca roster\n";
  return 0;
}

void add_kit(CLI::App& ca, std::function<Result<int>()>& action, std::ostream& out) {
  const auto options = std::make_shared<KitOptions>();
  CLI::App* command =
      ca.add_subcommand("kit", "make a folder for each hospital, with everything that it needs except its key");
  command->add_option("NAME", options->names, "names of hospitals: a-z, 0-9 and '-'")->required();
  command->add_option("--address", options->address, "host:port of the coordinator, as hospitals reach it")->required();
  command
      ->add_option("--consortium", options->consortium, "consortium.yaml, whose populations name the data sets of jobs")
      ->required();
  command->add_option("--roster", options->roster, "the roster, if there is one already");
  command->add_option("--out", options->out, "folder in which each hospital's folder is made")->capture_default_str();
  command->add_option("--ca", options->folder, "folder of the authority")->capture_default_str();
  command->footer(
      "Examples:\n"
      "  consilium ca kit north south west --address fl.example.org:8470 --consortium consortium.yaml\n"
      "  consilium ca kit east --address fl.example.org:8470 --consortium consortium.yaml --roster roster-1.yaml\n"
      "A hospital joins with its folder by: sudo consilium-client join NAME");
  command->callback([options, &action, &out] { action = [options, &out] { return make_kits(*options, out); }; });
}

void add_admit(CLI::App& ca, std::function<Result<int>()>& action, std::istream& in, std::ostream& out) {
  const auto options = std::make_shared<AdmitOptions>();
  options->roster.out = "roster-1.yaml";
  CLI::App* command = ca.add_subcommand(
      "admit", "sign several members' requests after a comparison of their keys, and make the answer for each member");
  command->add_option("--site", options->sites, "requests of hospitals; each file has its hospital's name");
  command->add_option("--researcher", options->researchers, "requests of researchers, named in the same way");
  command->add_option("--coordinator", options->coordinator, "request of the coordinator, named in the same way");
  command->add_option("--address", options->address, "host:port of the coordinator, as members reach it")->required();
  CLI::Option* consortium = command->add_option("--consortium", options->roster.consortium,
                                                "consortium.yaml with the populations; also makes the roster");
  command
      ->add_option("--previous", options->roster.previous, "the previous roster; without it the command makes serial 1")
      ->needs(consortium);
  command->add_option("--roster-out", options->roster.out, "the file for the roster")
      ->capture_default_str()
      ->needs(consortium);
  command->add_option("--out", options->out, "folder in which each member's folder is made")->capture_default_str();
  command->add_flag("--compared", options->compared, "don't ask, because every key has been compared");
  command->add_option("--ca", options->roster.folder, "folder of the authority")->capture_default_str();
  command->footer(
      "Examples:\n"
      "  consilium ca admit --site north.csr south.csr west.csr --coordinator main.csr --researcher ada.csr\n"
      "    --address fl.example.org:8470 --consortium consortium.yaml\n"
      "  consilium ca admit --researcher grace.csr --address fl.example.org:8470");
  command->callback(
      [options, &action, &in, &out] { action = [options, &in, &out] { return admit(*options, in, out); }; });
}

}  // namespace

void add_ca_kit_commands(CLI::App& ca, std::function<Result<int>()>& action, std::istream& in, std::ostream& out) {
  add_kit(ca, action, out);
  add_admit(ca, action, in, out);
}

}  // namespace consilium::cli
