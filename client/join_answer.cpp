#include "client/join_answer.h"

#include <ctime>
#include <filesystem>
#include <ostream>

#include "client/as_user.h"
#include "common/crypto/sha256.h"
#include "common/files/files.h"
#include "common/files/temporary_folder.h"
#include "common/pki/authority.h"
#include "common/pki/enrollment.h"
#include "common/pki/trust.h"
#include "common/roster/roster_file.h"

namespace consilium::client {
namespace {

namespace fs = std::filesystem;

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

/// Returns false, and says so, if the installed certificate can be used for longer than the new one.
Result<bool> replaces_certificate(const Hospital& hospital, const std::string& pem, std::ostream& out) {
  const auto installed = files::read_file(hospital.certificate(), kLargestJoinFile);
  if (!installed || !check_certificate(hospital, *installed)) return true;
  CONSILIUM_ASSIGN(const std::time_t end, pki::end_of_certificate(pem));
  CONSILIUM_ASSIGN(const std::time_t installed_end, pki::end_of_certificate(*installed));
  if (installed_end <= end) return true;
  out << "Kept " << hospital.certificate().string() << ", because the certificate from the authority ends earlier.\n";
  return false;
}

/// Returns false if the installed roster is the same, or, and says so, if it is newer.
Result<bool> replaces_roster(const Hospital& hospital, const std::string& text, const roster::Roster& roster,
                             std::ostream& out) {
  const fs::path file = hospital.to / kit::kRosterFile;
  if (!lies_there(file)) return true;
  CONSILIUM_ASSIGN(const std::string installed_text, files::read_file(file, kLargestJoinFile));
  if (installed_text == text) return false;
  CONSILIUM_ASSIGN(const roster::Roster installed, roster::parse_roster(installed_text, file.string()));
  if (installed.serial <= roster.serial) return true;
  out << "Kept " << file.string() << ", whose serial is " << installed.serial
      << ", because the roster from the authority has the lower serial " << roster.serial << ".\n";
  return false;
}

/// Lets the person compare a roster before it is installed.
Result<void> compare_roster(const std::string& text, const roster::Roster& roster, const Person& person) {
  person.out << "The roster from the authority, serial " << roster.serial << ":\n";
  for (const auto& [site, digest] : roster.sites) person.out << "  " << site << "  " << crypto::to_hex(digest) << "\n";
  for (const auto& [name, digest] : roster.researchers)
    person.out << "  " << name << "  " << crypto::to_hex(digest) << "  (researcher)\n";
  person.out << "roster  " << crypto::to_hex(crypto::sha256(text))
             << "  (SHA-256 of the file)\nCompare it with the other hospitals by telephone.\n";
  return confirm(person, "Are all keys the same there?", "certificate and roster were not installed");
}

}  // namespace

Result<std::optional<AuthorityAnswer>> find_answer(const Hospital& hospital, const std::string& certificate) {
  const fs::path file = certificate.empty() ? hospital.kit / (hospital.site + ".pem") : fs::path(certificate);
  AuthorityAnswer answer;
  if (lies_there(file)) {
    CONSILIUM_ASSIGN(answer.certificate, files::read_file(file, kLargestJoinFile, files::Links::kRefuse));
  } else if (certificate.empty()) {
    return std::nullopt;
  } else {
    return fail(ErrorCode::kNotFound, certificate + ": there is no such file");
  }
  for (const fs::path& folder : {hospital.kit, file.parent_path()}) {
    const fs::path roster = folder / kit::kRosterFile;
    if (!answer.roster && lies_there(roster)) {
      CONSILIUM_ASSIGN(answer.roster, files::read_file(roster, kLargestJoinFile, files::Links::kRefuse));
    }
  }
  return answer;
}

Result<void> put_in_place(const Hospital& hospital, const AuthorityAnswer& answer, const Person& person) {
  const AsUser owner(hospital.user);
  CONSILIUM_ASSIGN(const std::string key, check_certificate(hospital, answer.certificate));
  bool new_roster = false;
  if (answer.roster) {
    CONSILIUM_ASSIGN(const roster::Roster roster, check_roster(hospital, *answer.roster, key));
    CONSILIUM_ASSIGN(new_roster, replaces_roster(hospital, *answer.roster, roster, person.out));
    if (new_roster) CONSILIUM_TRY(compare_roster(*answer.roster, roster, person));
  }
  CONSILIUM_ASSIGN(const bool new_certificate, replaces_certificate(hospital, answer.certificate, person.out));
  if (new_certificate) {
    CONSILIUM_TRY(files::replace_file(hospital.certificate(), answer.certificate));
    person.out << "Installed " << hospital.certificate().string() << ".\n";
  }
  if (new_roster) {
    CONSILIUM_TRY(files::replace_file(hospital.to / kit::kRosterFile, *answer.roster));
    person.out << "Installed " << (hospital.to / kit::kRosterFile).string() << ".\n";
  }
  return {};
}

}  // namespace consilium::client
