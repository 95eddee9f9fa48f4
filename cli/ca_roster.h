#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "common/error/error.h"

namespace CLI {
class App;
}

namespace consilium::cli {

/// What a roster is made from.
struct RosterOptions {
  std::string folder = "ca";  ///< the folder of the authority
  std::string consortium;     ///< consortium.yaml; empty: the roster contains members only
  std::string previous;       ///< the previous roster; empty: this is the first one
  std::vector<std::string> consents;
  std::vector<std::string> successors;
  std::string out;  ///< the file that is written; empty: the roster is printed
  bool json = false;
};

/// Makes a roster as `consilium ca roster` does, and returns the exit code.
Result<int> make_roster(const RosterOptions& options, std::ostream& out);

/// Declares `roster` below `ca`. It lists the members in force, and with --consortium creates the roster that follows
/// the previous one. Stores its operation in `action`, as add_ca_command() does.
void add_ca_roster_command(CLI::App& ca, std::function<Result<int>()>& action, std::ostream& out);

}  // namespace consilium::cli
