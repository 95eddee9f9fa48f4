#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"

/// The folders that `consilium ca kit` writes for hospitals and `consilium-client join` reads, and the answers that
/// `consilium ca admit` writes to requests. None of these files is secret.
namespace consilium::kit {

inline constexpr const char* kClientFile = "client.yaml";
inline constexpr const char* kPolicyFile = "policy.yaml";
inline constexpr const char* kRootFile = "root.pem";
inline constexpr const char* kListFile = "crl.pem";
inline constexpr const char* kRosterFile = "roster.yaml";
inline constexpr const char* kUnitFile = "consilium-client.service";
inline constexpr const char* kRecordFile = "kit.sha256";  ///< in the folder of the client's configuration
inline constexpr const char* kReadmeFile = "README.txt";
inline constexpr const char* kCoordinatorFile = "coordinator.yaml";
inline constexpr const char* kCoordinatorUnitFile = "consilium-coordinator.service";
inline constexpr const char* kResearcherFile = "config.yaml";

/// The texts of files, by the files' names.
using Files = std::map<std::string, std::string>;

/// The facts about a hospital that are known before it has a key.
struct Terms {
  std::string consortium;
  std::string site;
  std::string coordinator;            ///< host:port
  std::vector<std::string> datasets;  ///< as jobs name them
};

/// A coordinator's address in two parts.
struct Address {
  std::string host;  ///< without the brackets of an IPv6 address
  std::string text;  ///< host:port
};
/// Reads "host:port" as the daemons do.
/// @param option  the option's name, for errors
Result<Address> read_address(const std::string& text, std::string_view option);

/// Makes the files of a hospital's kit except the roster: configuration and policy with the hospital's values, root
/// certificate, revocation list, systemd unit, and README.
Result<Files> make_kit(const Terms& terms, const std::string& root_pem, const std::string& list_pem);
/// Reads the files that make_kit() makes, each of at most 1 MiB. If one is missing or a symbolic link, the error names
/// it.
Result<Files> read_kit(const std::filesystem::path& folder);
/// Returns the SHA-256 over the names and texts of a kit's files, in hexadecimal. The person who made the kit and the
/// person who uses it compare it by telephone.
[[nodiscard]] std::string fingerprint(const Files& files);

/// The kit from which a hospital's files were installed. The hospital may change its files later; this stays.
struct Record {
  std::string fingerprint;
  std::map<std::string, std::string> digests;  ///< the SHA-256 of each file, in hexadecimal, by the file's name
};
[[nodiscard]] Record record_of(const Files& files);
/// Returns a line "SHA-256  NAME" for each file, after a line for the fingerprint, whose name is "kit".
[[nodiscard]] std::string record_text(const Record& record);
/// Reads what record_text() returns.
Result<Record> parse_record(const std::string& text);

/// Makes coordinator.yaml and the systemd unit for a coordinator whose certificate is NAME.pem.
Result<Files> make_coordinator_files(const std::string& name);
/// Makes the configuration of a researcher whose certificate is NAME.pem.
[[nodiscard]] Files make_researcher_files(const std::string& name, const std::string& coordinator);

/// Writes files into a new folder, either all of them or none. kAlreadyExists if anything has that name already.
Result<void> write_new_folder(const std::filesystem::path& folder, const Files& files);

}  // namespace consilium::kit
