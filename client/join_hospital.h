#pragma once

#include <cstddef>
#include <filesystem>
#include <iosfwd>
#include <string>

#include "client/as_user.h"
#include "client/daemon_config.h"
#include "common/error/error.h"
#include "common/kit/kit.h"

namespace consilium::client {

/// The largest file that `join` reads, in bytes.
inline constexpr std::size_t kLargestJoinFile = 1 << 20;

/// The person who runs the command, and compares fingerprints.
struct Person {
  std::istream& in;
  std::ostream& out;
  bool terminal = false;  ///< if not, nobody can answer
  bool compared = false;  ///< --compared has answered every question
};

/// A hospital that joins: the contents of its kit, and the places of its files.
struct Hospital {
  kit::Files files;
  ClientConfig config;  ///< from the kit
  std::string site;
  std::string consortium;
  std::filesystem::path kit;
  std::filesystem::path to;
  User user;

  [[nodiscard]] std::filesystem::path key() const { return to / (site + ".key"); }
  [[nodiscard]] std::filesystem::path certificate() const { return to / (site + ".pem"); }
};
/// Reads a kit, and checks everything in it that can be checked before a person compares its fingerprint.
/// @param to    the folder of the client's configuration and key
/// @param user  the user that the client runs as, if this process runs as root
Result<Hospital> read_hospital(const std::filesystem::path& kit, const std::filesystem::path& to,
                               const std::string& user);

/// Asks the person a question, and fails unless the answer is yes.
/// @param undone  what the command leaves undone if it isn't
Result<void> confirm(const Person& person, const std::string& question, const std::string& undone);

/// Returns true if the path exists in any form, even as a link.
bool lies_there(const std::filesystem::path& file);

}  // namespace consilium::client
