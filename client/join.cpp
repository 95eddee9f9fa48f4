#include "client/join.h"

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <istream>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "client/as_user.h"
#include "client/daemon_config.h"
#include "client/join_answer.h"
#include "client/join_hospital.h"
#include "common/files/files.h"
#include "common/kit/config_texts.h"
#include "common/kit/kit.h"
#include "common/pki/authority.h"
#include "common/pki/enrollment.h"

namespace consilium::client {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kLookEvery{1};
constexpr const char* kUnitFolder = "/etc/systemd/system";

struct JoinOptions {
  std::string kit;
  std::string to = "/etc/consilium";
  std::string user = "consilium";
  std::string certificate;
  bool wait = false;
  bool start = false;
  bool compared = false;
};

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
    const auto there = lies_there(file) ? files::read_file(file, kLargestJoinFile) : Result<std::string>(text);
    if (!there || *there != text) {
      return fail(ErrorCode::kAlreadyExists, file.string() +
                                                 ": this isn't the kit's file, and files of two kits must not mix; "
                                                 "move that folder away, or name another one with --to");
    }
  }
  for (const auto& [name, text] : configuration_of(hospital))
    CONSILIUM_TRY(files::replace_file(hospital.to / name, text));
  CONSILIUM_TRY(files::replace_file(hospital.to / kit::kRecordFile, kit::record_text(kit::record_of(hospital.files))));
  CONSILIUM_ASSIGN(const pki::Enrollment made,
                   pki::enroll({hospital.consortium, pki::Role::kSite, hospital.site}, hospital.to));
  out << "Made " << made.key.string() << " (it never leaves this machine) and " << made.request.string() << ".\n";
  return {};
}

/// Refuses to go on if the installed files come from another consortium's kit.
Result<void> check_installed(const Hospital& hospital) {
  const fs::path root = hospital.to / kit::kRootFile;
  CONSILIUM_ASSIGN(const std::string pem, files::read_file(root, kLargestJoinFile));
  if (pem == hospital.files.at(kit::kRootFile)) return {};
  return fail(ErrorCode::kFailedPrecondition,
              root.string() +
                  ": is another consortium's root, not the kit's; move that folder away, or name another "
                  "one with --to");
}

/// Returns the record of the kit that is installed, or nothing if an earlier version installed it.
Result<std::optional<kit::Record>> read_record(const Hospital& hospital) {
  const fs::path file = hospital.to / kit::kRecordFile;
  if (!lies_there(file)) return std::nullopt;
  CONSILIUM_ASSIGN(const std::string text, files::read_file(file, kLargestJoinFile));
  auto record = kit::parse_record(text);
  if (!record) return fail(record.error().within(file.string()));
  return std::optional(*std::move(record));
}

/// Warns if the kit's folder is no longer what was installed.
void compare_with_folder(const Hospital& hospital, const kit::Record& installed, std::ostream& out) {
  const kit::Record folder = kit::record_of(hospital.files);
  if (folder.fingerprint == installed.fingerprint) return;
  std::vector<std::string> changed;
  for (const auto& [name, digest] : folder.digests) {
    const auto there = installed.digests.find(name);
    if (there == installed.digests.end() || there->second != digest) changed.push_back(name);
  }
  out << "Warning: this isn't the kit in " << hospital.kit.string() << ", which has the fingerprint\n      "
      << folder.fingerprint
      << ".\nThese files there differ from those that were installed: " << fmt::format("{}", fmt::join(changed, ", "))
      << ". They aren't used.\n";
}

constexpr const char* kTelephone =
    "Telephone the person who sent the kit, on a number that you already know, and compare root and kit. If they\n"
    "differ, stop: somebody has changed the folder.\n";
constexpr const char* kSameFingerprints = "Are both fingerprints the same there?";

/// Prints the fingerprints of the root and of a kit.
/// @param record  the kit; nothing: its fingerprint isn't known
Result<void> print_root_and_kit(const Hospital& hospital, const std::optional<kit::Record>& record, std::ostream& out) {
  CONSILIUM_ASSIGN(const std::string root, pki::key_fingerprint(hospital.files.at(kit::kRootFile)));
  out << "Site " << hospital.site << " of consortium " << hospital.consortium << "\n"
      << "root  " << root << "\n"
      << "kit   " << (record ? record->fingerprint : "not known, because an earlier version installed it") << "\n";
  return {};
}

/// Lets the person compare the kit before any of its files is installed.
Result<void> compare_kit(const Hospital& hospital, const Person& person) {
  person.out << "The kit's client.yaml expects images in these places. Only the trainer reads them:\n";
  for (const auto& [name, source] : hospital.config.datasets) person.out << "  " << name << "  " << source.path << "\n";
  CONSILIUM_TRY(print_root_and_kit(hospital, kit::record_of(hospital.files), person.out));
  person.out << kTelephone;
  return confirm(person, kSameFingerprints, "nothing was installed");
}

/// Shows what was installed earlier. It was compared at that time, unless an earlier version installed it.
Result<void> show_installed(const Hospital& hospital, const Person& person) {
  CONSILIUM_TRY(check_installed(hospital));
  CONSILIUM_ASSIGN(const auto record, read_record(hospital));
  CONSILIUM_TRY(print_root_and_kit(hospital, record, person.out));
  if (record) {
    compare_with_folder(hospital, *record, person.out);
    return {};
  }
  person.out << kTelephone;
  return confirm(person, "Is the root's fingerprint the same there?", "nothing was installed");
}

Result<void> print_key(const Hospital& hospital, std::ostream& out) {
  CONSILIUM_ASSIGN(const std::string request, pki::read_request_file(hospital.to / (hospital.site + ".csr")));
  CONSILIUM_ASSIGN(const std::string key, pki::request_fingerprint(request));
  out << "key   " << key << "\nRead out your key to the person who sent the kit.\n";
  return {};
}

/// Runs --check as the daemon's user.
Result<int> check_all(const Hospital& hospital) {
  std::error_code code;
  const fs::path self = fs::read_symlink("/proc/self/exe", code);
  return run_program({self.string(), "--config", (hospital.to / kit::kClientFile).string(), "--check"}, &hospital.user);
}

/// Returns the user that the systemd unit runs the client as.
std::string user_of_unit() {
  constexpr std::string_view key = "\nUser=";
  const std::string_view unit = kit::kClientUnit;
  const std::size_t begin = unit.find(key) + key.size();
  return std::string(unit.substr(begin, unit.find('\n', begin) - begin));
}

/// Checks what --start needs.
Result<void> check_start(const Hospital& hospital) {
  if (hospital.user.name != user_of_unit()) {
    return fail(ErrorCode::kInvalidArgument, "--start: the unit runs the client as the user " + user_of_unit() +
                                                 ", but its files would belong to " + hospital.user.name +
                                                 "; run join with sudo and without --user, or start the client "
                                                 "yourself");
  }
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
  return {};
}

/// Starts the service, and lets it start with the machine.
Result<int> start_service(std::ostream& out) {
  CONSILIUM_TRY(files::replace_file(fs::path(kUnitFolder) / kit::kUnitFile, kit::kClientUnit));
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"systemctl", "daemon-reload"}, {"systemctl", "enable", "--now", kit::kUnitFile}}) {
    CONSILIUM_ASSIGN(const int code, run_program(command));
    if (code != 0) return fail(ErrorCode::kInternal, fmt::format("{} exited with {}", fmt::join(command, " "), code));
  }
  out << "Started " << kit::kUnitFile << "; its log: journalctl -u consilium-client\n";
  return 0;
}

/// Installs the kit and makes the key, unless that was done earlier.
Result<void> prepare(const Hospital& hospital, const Person& person) {
  const bool installed = lies_there(hospital.key());
  if (!installed) {
    CONSILIUM_TRY(compare_kit(hospital, person));
    CONSILIUM_TRY(make_folder(hospital));
  }
  const AsUser owner(hospital.user);
  if (installed) {
    CONSILIUM_TRY(show_installed(hospital, person));
  } else {
    CONSILIUM_TRY(install(hospital, person.out));
  }
  return print_key(hospital, person.out);
}

Result<int> join(const JoinOptions& options, const Person& person) {
  std::ostream& out = person.out;
  CONSILIUM_ASSIGN(const Hospital hospital, read_hospital(options.kit, options.to, options.user));
  if (options.start) CONSILIUM_TRY(check_start(hospital));  // before anything is installed
  CONSILIUM_TRY(prepare(hospital, person));
  CONSILIUM_ASSIGN(auto answer, find_answer(hospital, options.certificate));
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
    CONSILIUM_ASSIGN(answer, find_answer(hospital, options.certificate));
  }
  if (waits) {  // the last file may still be being copied
    std::this_thread::sleep_for(kLookEvery);
    CONSILIUM_ASSIGN(answer, find_answer(hospital, options.certificate));
  }
  if (!answer) return 0;
  CONSILIUM_TRY(put_in_place(hospital, *answer, person));
  if (!complete()) {
    out << "The roster isn't there yet.\n";
    return 0;
  }
  out << std::flush;
  CONSILIUM_ASSIGN(const int code, check_all(hospital));
  if (code != 0) return code;
  if (options.start) return start_service(out);
  out << "Next: run the same command with --start, or start " << kit::kUnitFile << " yourself.\n";
  return 0;
}

}  // namespace

void add_join_command(CLI::App& app, std::function<Result<int>()>& action, std::istream& in, std::ostream& out,
                      bool terminal) {
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
  command->add_flag("--compared", options->compared,
                    "don't ask, because the fingerprints of root and kit, and the roster, have been compared");
  command->footer(
      "Examples:\n  consilium-client join north                  # prints the fingerprints, and makes the key after a "
      "yes\n"
      "  consilium-client join north                  # again, when the answer is in the folder: checks everything\n"
      "  consilium-client join north --wait --start   # both, and starts the service\n"
      "Exit codes: 0 done so far, 1 failure, or the check found an error, 2 usage.");
  command->callback([options, &action, &in, &out, terminal] {
    action = [options, &in, &out, terminal] { return join(*options, {in, out, terminal, options->compared}); };
  });
}

}  // namespace consilium::client
