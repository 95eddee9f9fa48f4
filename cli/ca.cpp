#include "cli/ca.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "cli/ca_kit.h"
#include "cli/ca_roster.h"
#include "common/files/files.h"
#include "common/pki/authority.h"
#include "common/pki/enrollment.h"
#include "common/pki/index.h"

namespace consilium::cli {
namespace {

using Action = std::function<Result<int>()>;

constexpr int kRootDays = 3650;
constexpr int kCertificateDays = 365;
constexpr std::chrono::days kShortList{7};  // a list that expires sooner isn't worth distributing

constexpr const char* kExamples =
    "Examples:\n"
    "  consilium ca init ca --name lung-study\n"
    "  consilium ca kit north south west --address fl.example.org:8470 --consortium consortium.yaml\n"
    "  consilium ca request --consortium lung-study --role coordinator --name main --out keys\n"
    "  consilium ca admit --site north.csr south.csr west.csr --coordinator main.csr --researcher ada.csr\n"
    "    --address fl.example.org:8470 --consortium consortium.yaml\n"
    "  consilium ca sign keys/main.csr --role coordinator --name main --host fl.example.org --out main.pem\n"
    "  consilium ca sign north.csr --role site --name north --fingerprint 5c0f... --out north.pem\n"
    "  consilium ca revoke --role site --name north\n"
    "  consilium ca renew-list\n"
    "  consilium ca roster --consortium consortium.yaml --previous roster.yaml --out roster-2.yaml";

/// The subcommands' options; each subcommand uses some of them.
struct Options {
  std::string folder = "ca";
  std::string consortium;
  std::string role;
  std::string name;
  std::string request;
  std::string fingerprint;
  std::string out;
  std::vector<std::string> hosts;
  int days = 0;
  int list_days = static_cast<int>(pki::kListValidity.count());
  std::uint64_t above = 0;
  bool again = false;
  bool json = false;
};

Result<int> init(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const pki::Authority authority,
                   pki::Authority::create(options.folder, options.consortium, std::chrono::days{options.days},
                                          std::chrono::days{options.list_days}));
  out << "Made the authority of consortium '" << authority.consortium() << "' in " << options.folder << ".\n"
      << "Keep " << (std::filesystem::path(options.folder) / "root.key").string()
      << " off the coordinator, and keep a copy of the folder: whoever has the key can mint members.\n"
      << "Everyone needs " << authority.root_certificate().string() << " and " << authority.revocation_list().string()
      << ".\n"
      << "The list ends after " << options.list_days
      << " days: write and hand out a new one before, with consilium ca renew-list.\n"
      << "Next: consilium ca kit --ca " << options.folder << " makes a folder for each hospital to join with.\n";
  return 0;
}

Result<int> sign(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(pki::Authority authority, pki::Authority::open(options.folder));
  CONSILIUM_ASSIGN(const pki::Role role, pki::role_from_name(options.role));
  CONSILIUM_ASSIGN(const std::string request, pki::read_request_file(options.request));
  const auto fingerprint = pki::request_fingerprint(request);
  if (!fingerprint) {
    return fail(fingerprint.error().within(options.request));
  }
  if (!options.fingerprint.empty() && options.fingerprint != *fingerprint) {
    return fail(ErrorCode::kFailedPrecondition, options.request + ": its key has fingerprint " + *fingerprint +
                                                    ", not the expected " + options.fingerprint +
                                                    "; this is not the request that the other side made");
  }
  const pki::Identity identity{authority.consortium(), role, options.name};
  CONSILIUM_ASSIGN(
      const std::string certificate,
      authority.sign(request, identity, options.hosts, std::chrono::days{options.days},
                     options.again ? pki::Authority::RevokedKey::kSignAgain : pki::Authority::RevokedKey::kRefuse));
  CONSILIUM_TRY(files::replace_file(options.out, certificate));
  out << "Signed " << options.out << " for " << pki::to_uri(identity) << ", valid for " << options.days << " days.\n"
      << "Fingerprint of its key: " << *fingerprint << "\n";
  if (options.fingerprint.empty()) {
    out << "Compare it with what enrolment printed on the other side, over another channel than the request came by.\n";
  }
  out << "Send back: " << options.out << ", " << authority.root_certificate().string() << ", "
      << authority.revocation_list().string() << "\n";
  CONSILIUM_ASSIGN(const pki::Authority::ListState list, authority.list_state());
  if (list.end != 0 && list.end - std::time(nullptr) < std::chrono::seconds(kShortList).count()) {
    out << "The revocation list ends " << pki::to_iso(list.end)
        << "; write a new one first: consilium ca renew-list --ca " << options.folder << "\n";
  }
  return 0;
}

/// Prints which list the members need from now on.
void announce_list(const pki::Authority& authority, const pki::Authority::ListState& list, std::ostream& out) {
  out << "Revocation list " << list.number << " ends " << pki::to_iso(list.end) << ". It counts where it lies: copy "
      << authority.revocation_list().string()
      << " to the coordinator, the sites and the researchers; no restart is needed.\n";
}

std::string state_of(const pki::Authority::Issued& issued) {
  if (issued.revoked) return "revoked";
  return issued.not_after > pki::to_iso(std::time(nullptr)) ? "valid" : "expired";
}

Result<int> list(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const pki::Authority authority, pki::Authority::open(options.folder));
  CONSILIUM_ASSIGN(const std::vector<pki::Authority::Issued> issued, authority.list());
  CONSILIUM_ASSIGN(const pki::Authority::ListState newest, authority.list_state());
  const std::string list_end = newest.end == 0 ? "with the root" : pki::to_iso(newest.end);
  if (options.json) {
    nlohmann::json certificates = nlohmann::json::array();
    for (const auto& entry : issued) {
      certificates.push_back({{"role", pki::name_of(entry.identity.role)},
                              {"name", entry.identity.name},
                              {"serial", entry.serial},
                              {"not_after", entry.not_after},
                              {"fingerprint", entry.fingerprint},
                              {"state", state_of(entry)}});
    }
    nlohmann::json listed = {{"consortium", authority.consortium()},
                             {"revocation_list", {{"number", newest.number}}},
                             {"certificates", certificates}};
    if (newest.end != 0) listed["revocation_list"]["not_after"] = pki::to_iso(newest.end);
    out << listed.dump() << "\n";
    return 0;
  }
  if (issued.empty()) {
    out << "Nothing was signed yet.\n";
  }
  for (const auto& entry : issued) {
    out << state_of(entry) << "  " << pki::name_of(entry.identity.role) << "  " << entry.identity.name << "  until "
        << entry.not_after << "  key " << entry.fingerprint << "\n";
  }
  out << "revocation list " << newest.number << " ends " << list_end << "\n";
  return 0;
}

Result<int> revoke(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(pki::Authority authority, pki::Authority::open(options.folder));
  CONSILIUM_ASSIGN(const pki::Role role, pki::role_from_name(options.role));
  CONSILIUM_TRY(authority.revoke(role, options.name));
  CONSILIUM_ASSIGN(const pki::Authority::ListState list, authority.list_state());
  out << "Revoked every certificate of " << options.role << " '" << options.name << "'.\n";
  announce_list(authority, list, out);
  return 0;
}

Result<int> renew_list(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(pki::Authority authority, pki::Authority::open(options.folder));
  std::optional<std::chrono::days> validity;
  if (options.days != 0) validity = std::chrono::days{options.days};
  CONSILIUM_ASSIGN(const pki::Authority::ListState list, authority.renew_list(validity, options.above));
  announce_list(authority, list, out);
  return 0;
}

Result<int> request(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const pki::Role role, pki::role_from_name(options.role));
  CONSILIUM_ASSIGN(const pki::Enrollment done, pki::enroll({options.consortium, role, options.name}, options.out));
  out << "Made " << done.key.string() << " (it never leaves this machine) and " << done.request.string() << ".\n"
      << "Fingerprint of the key: " << done.fingerprint << "\n"
      << "Next: send " << done.request.string() << " to the consortium's authority, who runs\n"
      << "  consilium ca sign " << done.request.filename().string() << " --role " << options.role << " --name "
      << options.name << (role == pki::Role::kCoordinator ? " --host HOST" : "") << " --fingerprint "
      << done.fingerprint << " --out " << options.name << ".pem\n";
  return 0;
}

/// Declares one subcommand whose options exist as long as its callback.
template <class Do>
CLI::App* add(CLI::App& parent, const char* name, const char* description, const std::shared_ptr<Options>& options,
              Action& action, std::ostream& out, Do run) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->callback([options, &action, &out, run] { action = [options, &out, run] { return run(*options, out); }; });
  return command;
}

void add_folder(CLI::App& command, Options& options) {
  command.add_option("--ca", options.folder, "folder of the authority")->capture_default_str();
}

void add_member(CLI::App& command, Options& options) {
  command.add_option("--role", options.role, "site, researcher, operator or coordinator")
      ->required()
      ->check(CLI::IsMember({"site", "researcher", "operator", "coordinator"}));
  command.add_option("--name", options.name, "name in the consortium: a-z, 0-9 and '-'")->required();
}

void add_init(CLI::App& ca, Action& action, std::ostream& out) {
  const auto options = std::make_shared<Options>();
  options->days = kRootDays;
  CLI::App* command = add(ca, "init", "make a consortium's certificate authority", options, action, out, init);
  command->add_option("DIR", options->folder, "new folder")->capture_default_str();
  command->add_option("--name", options->consortium, "name of the consortium")->required();
  command->add_option("--days", options->days, "how long the root is valid")
      ->capture_default_str()
      ->check(CLI::Range(1, 36500));
  command->add_option("--list-days", options->list_days, "how long each revocation list is valid")
      ->capture_default_str()
      ->check(CLI::Range(1, static_cast<int>(pki::kLongestList.count())));
}

void add_sign(CLI::App& ca, Action& action, std::ostream& out) {
  const auto options = std::make_shared<Options>();
  options->days = kCertificateDays;
  CLI::App* command = add(ca, "sign", "sign a certificate request", options, action, out, sign);
  command->add_option("CSR", options->request, "the request's file")->required();
  add_folder(*command, *options);
  add_member(*command, *options);
  command->add_option("--host", options->hosts, "DNS name or IP address of a coordinator; may be repeated");
  command->add_option("--days", options->days, "how long it is valid")
      ->capture_default_str()
      ->check(CLI::Range(1, 36500));
  command->add_option("--fingerprint", options->fingerprint, "sign only this key, as enrolment printed it");
  command->add_flag("--again", options->again, "sign a key that was revoked: only where nobody else can have it");
  command->add_option("--out", options->out, "where the certificate goes")->required();
}

void add_request(CLI::App& ca, Action& action, std::ostream& out) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add(ca, "request", "make a key and a certificate request (researchers, operators, coordinators)",
                          options, action, out, request);
  command->add_option("--consortium", options->consortium, "name of the consortium")->required();
  add_member(*command, *options);
  command->add_option("--out", options->out, "folder for the key and the request")->required();
}

void add_rest(CLI::App& ca, Action& action, std::ostream& out) {
  const auto listed = std::make_shared<Options>();
  CLI::App* command = add(ca, "list", "list what was signed", listed, action, out, list);
  add_folder(*command, *listed);
  command->add_flag("--json", listed->json, "print JSON for programs");

  const auto revoked = std::make_shared<Options>();
  command = add(ca, "revoke", "revoke a member's certificates", revoked, action, out, revoke);
  add_folder(*command, *revoked);
  add_member(*command, *revoked);

  const auto renewed = std::make_shared<Options>();
  command =
      add(ca, "renew-list", "write a new revocation list before the last one ends", renewed, action, out, renew_list);
  add_folder(*command, *renewed);
  command->add_option("--days", renewed->days, "how long this list and later ones are valid (default: as before)")
      ->check(CLI::Range(1, static_cast<int>(pki::kLongestList.count())));
  command->add_option("--above", renewed->above,
                      "give it a number above this one, where the authority came back from an older backup");
}

}  // namespace

void add_ca_command(CLI::App& app, Action& action, std::istream& in, std::ostream& out) {
  CLI::App* ca = app.add_subcommand("ca", "run the consortium's certificate authority");
  ca->require_subcommand(1);
  ca->footer(kExamples);
  add_init(*ca, action, out);
  add_sign(*ca, action, out);
  add_request(*ca, action, out);
  add_rest(*ca, action, out);
  add_ca_roster_command(*ca, action, out);
  add_ca_kit_commands(*ca, action, in, out);
}

}  // namespace consilium::cli
