#include "client/join_hospital.h"

#include <istream>
#include <ostream>
#include <system_error>
#include <utility>

#include "client/policy/policy.h"
#include "common/kit/config_texts.h"
#include "common/pki/trust.h"

namespace consilium::client {
namespace {

namespace fs = std::filesystem;

tl::unexpected<Error> bad_kit(const Hospital& hospital, const char* file, const std::string& what) {
  return fail(ErrorCode::kInvalidArgument, (hospital.kit / file).string() + ": " + what +
                                               "; `consilium ca kit` makes no such kit: ask the person who sent it");
}

/// Checks that a kit's configuration names no program, no file outside the folder that it is installed to except those
/// of the data sets, and sets nothing else that only the hospital decides.
Result<void> check_client_config(const Hospital& hospital, const ClientConfig& config) {
  if (!config.trainer.command.empty()) return bad_kit(hospital, kit::kClientFile, "trainer.command: names a program");
  const bool usual = config.tls.root == hospital.to / kit::kRootFile &&
                     config.tls.certificate == hospital.certificate() && config.tls.key == hospital.key() &&
                     config.tls.revocation_list == hospital.to / kit::kListFile &&
                     config.policy == hospital.to / kit::kPolicyFile && config.roster == hospital.to / kit::kRosterFile;
  if (!usual)
    return bad_kit(hospital, kit::kClientFile, "tls, policy or roster: names other files than those of a kit");
  CONSILIUM_ASSIGN(const ClientConfig made, parse_client_config(kit::kClientConfig, kit::kClientFile, hospital.to));
  const std::pair<const char*, bool> keys[] = {
      {"site_secret", !config.site_secret.empty()},         {"proxy", config.proxy.has_value()},
      {"trainer.scratch", !config.trainer.scratch.empty()}, {"atlases", !config.atlases.empty()},
      {"state_dir", config.state_dir != made.state_dir},
  };
  for (const auto& [key, set] : keys) {
    if (set) {
      return bad_kit(hospital, kit::kClientFile,
                     std::string(key) + ": only the hospital sets this, in its own client.yaml after joining");
    }
  }
  return {};
}

}  // namespace

bool lies_there(const fs::path& file) {
  std::error_code code;
  return fs::exists(fs::symlink_status(file, code));
}

Result<Hospital> read_hospital(const fs::path& kit, const fs::path& to, const std::string& user) {
  Hospital hospital;
  std::error_code code;
  hospital.kit = kit;
  hospital.to = fs::absolute(to, code).lexically_normal();
  CONSILIUM_ASSIGN(hospital.files, kit::read_kit(hospital.kit));
  CONSILIUM_ASSIGN(hospital.config,
                   parse_client_config(hospital.files.at(kit::kClientFile), kit::kClientFile, hospital.to));
  CONSILIUM_TRY(pki::check_name(hospital.config.site));
  hospital.site = hospital.config.site;
  CONSILIUM_TRY(check_client_config(hospital, hospital.config));
  CONSILIUM_TRY(policy::parse_policy(hospital.files.at(kit::kPolicyFile), kit::kPolicyFile));
  auto consortium = pki::consortium_of_root(hospital.files.at(kit::kRootFile));
  if (!consortium) return fail(consortium.error().within((hospital.kit / kit::kRootFile).string()));
  hospital.consortium = *std::move(consortium);
  const auto list = pki::check_revocation_list(hospital.files.at(kit::kRootFile), hospital.files.at(kit::kListFile));
  if (!list) return fail(list.error().within((hospital.kit / kit::kListFile).string()));
  CONSILIUM_ASSIGN(hospital.user, daemon_user(user));
  return hospital;
}

Result<void> confirm(const Person& person, const std::string& question, const std::string& undone) {
  if (person.compared) return {};
  person.out << std::flush;
  if (!person.terminal) {
    return fail(ErrorCode::kFailedPrecondition,
                undone +
                    ", because there is no terminal to ask at whether the fingerprints were compared; compare "
                    "them, then type the same command with --compared");
  }
  person.out << question << " Type yes or no: " << std::flush;
  std::string answer;
  if (std::getline(person.in, answer) && answer == "yes") return {};
  person.out << "\n";
  return fail(ErrorCode::kFailedPrecondition, undone + ", because the fingerprints weren't confirmed with yes");
}

}  // namespace consilium::client
