#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/catch.h"

namespace consilium::config {

/// A valid configuration file, for tests of what its reader refuses.
struct GoodFile {
  std::string name;  ///< as in errors
  std::string text;

  /// Returns the text with the first `from` replaced. Throws if there is none.
  [[nodiscard]] std::string with(const std::string& from, const std::string& to) const {
    return std::string(text).replace(text.find(from), from.size(), to);
  }
};

/// "key: value" from the valid file, and values that are wrong for this key.
using WrongValues = std::vector<std::pair<std::string, std::vector<std::string>>>;

/// Inserts each wrong value, and checks that `parse` refuses the file with an error that names file and key.
template <class Parse>
void check_refused(const GoodFile& file, const WrongValues& wrong_values, const Parse& parse) {
  for (const auto& [written, wrongs] : wrong_values) {
    const std::string key = written.substr(0, written.find(':'));
    for (const std::string& wrong : wrongs) {
      const auto config = parse(file.with(written, key + ": " + wrong));
      INFO(key << ": " << wrong);
      REQUIRE_FALSE(config);
      const std::string& message = config.error().message;
      INFO(message);
      CHECK(message.starts_with(file.name + ": "));
      CHECK((message.find(key + ": ") != std::string::npos || message.find(key + "[") != std::string::npos));
    }
  }
}

}  // namespace consilium::config
