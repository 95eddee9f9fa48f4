#include "client/join.h"

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "client/as_user.h"
#include "client/daemon_config.h"
#include "client/policy/policy.h"
#include "common/files/files.h"
#include "common/files/temporary_folder.h"
#include "common/kit/config_texts.h"
#include "common/kit/kit.h"
#include "common/pki/authority.h"
#include "common/pki/enrollment.h"
#include "common/pki/trust.h"
#include "common/roster/roster_file.h"

namespace consilium::client {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestAnswer = 1 << 20;
constexpr std::chrono::seconds kLookEvery{1};
constexpr const char* kUnitFolder = "/etc/systemd/system";

struct JoinOptions {
  std::string kit;
  std::string to = "/etc/consilium";
  std::string user = "consilium";
  std::string certificate;
  bool wait = false;
  bool start = false;
};

/// A hospital that joins: the contents of its kit, and the places of its files.
struct Hospital {
  kit::Files files;
  std::string site;
  std::string consortium;
  fs::path kit;
  fs::path to;
  User user;

  [[nodiscard]] fs::path key() const { return to / (site + ".key"); }
  [[nodiscard]] fs::path certificate() const { return to / (site + ".pem"); }
};

bool lies_there(const fs::path& file) {
  std::error_code code;
  return fs::exists(fs::symlink_status(file, code));
}

tl::unexpected<Error> bad_kit(const Hospital& hospital, const char* file, const std::string& what) {
  return fail(ErrorCode::kInvalidArgument, (hospital.kit / file).string() + ": " + what +
                                               "; `consilium ca kit` makes no such kit: ask the person who sent it");
}

/// Checks that a kit's configuration names no program, and no file outside the folder that it is installed to.
Result<void> check_client_config(const Hospital& hospital, const ClientConfig& config) {
  if (!config.trainer.command.empty()) return bad_kit(hospital, kit::kClientFile, "trainer.command: names a program");
  const bool usual = config.tls.root == hospital.to / kit::kRootFile &&
                     config.tls.certificate == hospital.certificate() && config.tls.key == hospital.key() &&
                     config.tls.revocation_list == hospital.to / kit::kListFile &&
                     config.policy == hospital.to / kit::kPolicyFile && config.roster == hospital.to / kit::kRosterFile;
  if (!usual)
    return bad_kit(hospital, kit::kClientFile, "tls, policy or roster: names other files than those of a kit");
  return {};
}

Result<Hospital> read_hospital(const JoinOptions& options) {
  Hospital hospital;
  std::error_code code;
  hospital.kit = options.kit;
  hospital.to = fs::absolute(options.to, code).lexically_normal();
  CONSILIUM_ASSIGN(hospital.files, kit::read_kit(hospital.kit));
  CONSILIUM_ASSIGN(const ClientConfig config,
                   parse_client_config(hospital.files.at(kit::kClientFile), kit::kClientFile, hospital.to));
  CONSILIUM_TRY(pki::check_name(config.site));
  hospital.site = config.site;
  CONSILIUM_TRY(check_client_config(hospital, config));
  CONSILIUM_TRY(policy::parse_policy(hospital.files.at(kit::kPolicyFile), kit::kPolicyFile));
  auto consortium = pki::consortium_of_root(hospital.files.at(kit::kRootFile));
  if (!consortium) return fail(consortium.error().within((hospital.kit / kit::kRootFile).string()));
  hospital.consortium = *std::move(consortium);
  CONSILIUM_ASSIGN(hospital.user, daemon_user(options.user));
  return hospital;
}

/// Creates the folder of the configuration. The folder belongs to the daemon's user.
Result<void> make_folder(const Hospital& hospital) {
  if (lies_there(hospital.to)) return {};
  CONSILIUM_TRY(files::make_private_folder(hospital.to));
  if (::geteuid() == 0 && ::lchown(hospital.to.c_str(), hospital.user.uid, hospital.user.gid) != 0)
    return fail(ErrorCode::kPermissionDenied,
                hospital.to.string() + ": can't be given to the user " + hospital.user.name);
  return {};
}

/// Returns the files of the kit that are installed in the key's folder.
kit::Files configuration_of(const Hospital& hospital) {
  kit::Files files = hospital.files;
  files.erase(kit::kReadmeFile);
  files.erase(kit::kUnitFile);
  return files;
}

/// Installs the kit's files if the folder has no others, and makes the key last, so that an interrupted join can be
/// repeated.
Result<void> install(const Hospital& hospital, std::ostream& out) {
  for (const auto& [name, text] : configuration_of(hospital)) {
    const fs::path file = hospital.to / name;
    const auto there = lies_there(file) ? files::read_file(file, kLargestAnswer) : Result<std::string>(text);
    if (!there || *there != text) {
      return fail(ErrorCode::kAlreadyExists, file.string() +
                                                 ": this isn't the kit's file, and files of two kits must not mix; "
                                                 "move that folder away, or name another one with --to");
    }
  }
  for (const auto& [name, text] : configuration_of(hospital))
    CONSILIUM_TRY(files::replace_file(hospital.to / name, text));
  CONSILIUM_ASSIGN(const pki::Enrollment made,
                   pki::enroll({hospital.consortium, pki::Role::kSite, hospital.site}, hospital.to));
  out << "Made " << made.key.string() << " (it never leaves this machine) and " << made.request.string() << ".\n";
  return {};
}

/// Refuses to go on if the installed files come from another consortium's kit.
Result<void> check_installed(const Hospital& hospital) {
  const fs::path root = hospital.to / kit::kRootFile;
  CONSILIUM_ASSIGN(const std::string pem, files::read_file(root, kLargestAnswer));
  if (pem == hospital.files.at(kit::kRootFile)) return {};
  return fail(ErrorCode::kFailedPrecondition,
              root.string() +
                  ": is another consortium's root, not the kit's; move that folder away, or name another "
                  "one with --to");
}

Result<void> print_fingerprints(const Hospital& hospital, std::ostream& out) {
  CONSILIUM_ASSIGN(const std::string root, pki::key_fingerprint(hospital.files.at(kit::kRootFile)));
  CONSILIUM_ASSIGN(const std::string request, pki::read_request_file(hospital.to / (hospital.site + ".csr")));
  CONSILIUM_ASSIGN(const std::string key, pki::request_fingerprint(request));
  out << "Site " << hospital.site << " of consortium " << hospital.consortium << "\n"
      << "root  " << root << "\n"
      << "kit   " << kit::fingerprint(hospital.files) << "\n"
      << "key   " << key << "\n"
      << "Telephone the person who sent the kit, on a number that you already know, and compare root and kit. If they\n"
         "differ, stop: somebody has changed the folder. Then read out your key.\n";
  return {};
}

/// The files that the authority sends back.
struct AuthorityAnswer {
  std::string certificate;
  std::optional<std::string> roster;  ///< empty: there is none yet
};

/// Looks for the certificate in the kit's folder or at the path on the command line, and for the roster in the kit's
/// folder and next to the certificate. Returns nothing if the kit's folder has no certificate yet.
Result<std::optional<AuthorityAnswer>> find_answer(const Hospital& hospital, const JoinOptions& options) {
  const fs::path file =
      options.certificate.empty() ? hospital.kit / (hospital.site + ".pem") : fs::path(options.certificate);
  AuthorityAnswer answer;
  if (lies_there(file)) {
    CONSILIUM_ASSIGN(answer.certificate, files::read_file(file, kLargestAnswer));
  } else if (options.certificate.empty()) {
    return std::nullopt;
  } else {
    return fail(ErrorCode::kNotFound, options.certificate + ": there is no such file");
  }
  for (const fs::path& folder : {hospital.kit, file.parent_path()}) {
    const fs::path roster = folder / kit::kRosterFile;
    if (!answer.roster && lies_there(roster)) {
      CONSILIUM_ASSIGN(answer.roster, files::read_file(roster, kLargestAnswer));
    }
  }
  return answer;
}

/// Checks that the certificate is this hospital's, and belongs to the key that was made here. Returns the key's
/// fingerprint.
Result<std::string> check_certificate(const Hospital& hospital, const std::string& pem) {
  CONSILIUM_ASSIGN(const files::TemporaryFolder folder, files::TemporaryFolder::create("consilium-join"));
  CONSILIUM_ASSIGN(const auto trust, pki::TrustStore::open(hospital.to / kit::kRootFile, hospital.to / kit::kListFile,
                                                           pki::TrustOptions{folder.path()}));
  CONSILIUM_ASSIGN(const pki::Identity identity, trust->authenticate(pem, {pki::Role::kSite}));
  const pki::Identity own{hospital.consortium, pki::Role::kSite, hospital.site};
  if (identity != own) {
    return fail(ErrorCode::kInvalidArgument, "the certificate is that of " + pki::to_uri(identity) +
                                                 ", expected that of " + pki::to_uri(own) +
                                                 "; ask the people who run the authority");
  }
  CONSILIUM_ASSIGN(std::string key, pki::key_fingerprint(pem));
  CONSILIUM_ASSIGN(const std::string request, pki::read_request_file(hospital.to / (hospital.site + ".csr")));
  CONSILIUM_ASSIGN(const std::string asked, pki::request_fingerprint(request));
  if (key == asked) return key;
  return fail(ErrorCode::kInvalidArgument, "the certificate has the key " + key + ", but this hospital's is " + asked +
                                               "; ask the people who run the authority");
}

Result<roster::Roster> check_roster(const Hospital& hospital, const std::string& text, const std::string& key) {
  CONSILIUM_ASSIGN(roster::Roster roster, roster::parse_roster(text, kit::kRosterFile));
  const auto own = roster.sites.find(hospital.site);
  std::string wrong;
  if (roster.consortium != hospital.consortium) {
    wrong = "is that of consortium '" + roster.consortium + "'";
  } else if (own == roster.sites.end()) {
    wrong = "lacks this hospital";
  } else if (crypto::to_hex(own->second) != key) {
    wrong = "gives this hospital the key " + crypto::to_hex(own->second) + ", which isn't its own";
  } else {
    return roster;
  }
  return fail(ErrorCode::kInvalidArgument, "the roster " + wrong + "; ask the people who run the authority");
}

/// Installs certificate and roster in the key's folder, each only if it is correct.
Result<void> put_in_place(const Hospital& hospital, const AuthorityAnswer& answer, std::ostream& out) {
  const AsUser owner(hospital.user);
  CONSILIUM_ASSIGN(const std::string key, check_certificate(hospital, answer.certificate));
  std::optional<roster::Roster> roster;
  if (answer.roster) {
    CONSILIUM_ASSIGN(roster, check_roster(hospital, *answer.roster, key));
  }
  CONSILIUM_TRY(files::replace_file(hospital.certificate(), answer.certificate));
  out << "Installed " << hospital.certificate().string() << ".\n";
  if (!roster) return {};
  CONSILIUM_TRY(files::replace_file(hospital.to / kit::kRosterFile, *answer.roster));
  out << "Installed " << (hospital.to / kit::kRosterFile).string()
      << ". Compare it with the other hospitals by telephone:\n";
  for (const auto& [site, digest] : roster->sites) out << "  " << site << "  " << crypto::to_hex(digest) << "\n";
  for (const auto& [name, digest] : roster->researchers)
    out << "  " << name << "  " << crypto::to_hex(digest) << "  (researcher)\n";
  return {};
}

/// Runs --check as the daemon's user.
Result<int> check_all(const Hospital& hospital) {
  std::error_code code;
  const fs::path self = fs::read_symlink("/proc/self/exe", code);
  return run_program({self.string(), "--config", (hospital.to / kit::kClientFile).string(), "--check"}, &hospital.user);
}

/// Starts the service, and lets it start with the machine.
Result<int> start_service(const Hospital& hospital, std::ostream& out) {
  if (hospital.files.at(kit::kUnitFile) != kit::kClientUnit) {
    return fail(ErrorCode::kFailedPrecondition,
                (hospital.kit / kit::kUnitFile).string() +
                    ": differs from this version's unit; root would run it, so read it first, and install "
                    "it yourself");
  }
  if (hospital.to != kDefaultFolder) {
    return fail(ErrorCode::kInvalidArgument,
                std::string("--start: the unit uses ") + kDefaultConfigFile + "; with --to, start the client yourself");
  }
  CONSILIUM_TRY(files::replace_file(fs::path(kUnitFolder) / kit::kUnitFile, kit::kClientUnit));
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"systemctl", "daemon-reload"}, {"systemctl", "enable", "--now", kit::kUnitFile}}) {
    CONSILIUM_ASSIGN(const int code, run_program(command));
    if (code != 0) return fail(ErrorCode::kInternal, fmt::format("{} exited with {}", fmt::join(command, " "), code));
  }
  out << "Started " << kit::kUnitFile << "; its log: journalctl -u consilium-client\n";
  return 0;
}

Result<void> prepare(const Hospital& hospital, std::ostream& out) {
  CONSILIUM_TRY(make_folder(hospital));
  const AsUser owner(hospital.user);
  if (lies_there(hospital.key())) {
    CONSILIUM_TRY(check_installed(hospital));
  } else {
    CONSILIUM_TRY(install(hospital, out));
  }
  return print_fingerprints(hospital, out);
}

Result<int> join(const JoinOptions& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const Hospital hospital, read_hospital(options));
  CONSILIUM_TRY(prepare(hospital, out));
  CONSILIUM_ASSIGN(auto answer, find_answer(hospital, options));
  const auto complete = [&] { return answer && (answer->roster || lies_there(hospital.to / kit::kRosterFile)); };
  if (!complete()) {
    if (!answer)
      out << "Next: send " << (hospital.to / (hospital.site + ".csr")).string()
          << " to the people who run the authority.\n";
    out << "Put the files that you get back (" << hospital.site << ".pem and roster.yaml) into "
        << hospital.kit.string() << ". "
        << (options.wait ? "Waiting for them. You can stop this command, and run it again later.\n"
                         : "Then run the same command again.\n")
        << std::flush;
  }
  const bool waits = options.wait && !complete();
  while (options.wait && !complete()) {
    std::this_thread::sleep_for(kLookEvery);
    CONSILIUM_ASSIGN(answer, find_answer(hospital, options));
  }
  if (waits) {  // the last file may still be being copied
    std::this_thread::sleep_for(kLookEvery);
    CONSILIUM_ASSIGN(answer, find_answer(hospital, options));
  }
  if (!answer) return 0;
  CONSILIUM_TRY(put_in_place(hospital, *answer, out));
  if (!complete()) {
    out << "The roster isn't there yet.\n";
    return 0;
  }
  out << std::flush;
  CONSILIUM_ASSIGN(const int code, check_all(hospital));
  if (code != 0) return code;
  if (options.start) return start_service(hospital, out);
  out << "Next: run the same command with --start, or start " << kit::kUnitFile << " yourself.\n";
  return 0;
}

}  // namespace

void add_join_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out) {
  const auto options = std::make_shared<JoinOptions>();
  CLI::App* command = app.add_subcommand("join", "join a consortium with the kit that its authority has sent");
  command->add_option("KIT", options->kit, "the folder that consilium ca kit made")->required();
  command->add_option("--to", options->to, "folder of the client's configuration and key")->capture_default_str();
  command->add_option("--user", options->user, "the user that the client runs as, if join runs as root")
      ->capture_default_str();
  command->add_option("--certificate", options->certificate,
                      "the certificate from the authority (default: the one in KIT, like the roster)");
  command->add_flag("--wait", options->wait, "wait until certificate and roster are in KIT");
  command->add_flag("--start", options->start, "start the service if the check finds no error");
  command->footer(
      "Examples:\n  consilium-client join north                  # makes the key, prints the fingerprints\n"
      "  consilium-client join north                  # again, when the answer is in the folder: checks everything\n"
      "  consilium-client join north --wait --start   # both, and starts the service\n"
      "Exit codes: 0 done so far, 1 failure, or the check found an error, 2 usage.");
  command->callback([options, &action, &out] { action = [options, &out] { return join(*options, out); }; });
}

}  // namespace consilium::client
