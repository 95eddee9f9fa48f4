#pragma once

#include <map>
#include <string>

class DcmItem;

namespace consilium::predict {

/// The UIDs of a segmentation's source. Some scanners write UIDs that break the standard's rules, such as one with a
/// component that begins with 0 (PS3.5, 9.1), and DCMTK refuses to write those. A reference must nevertheless be the
/// instance's actual UID, so a valid UID replaces an invalid one until the object is made.
class SourceUids {
 public:
  /// Returns the UID if it is valid, else a valid one that replaces it.
  std::string lawful(const std::string& uid);
  /// Puts the source's own UIDs back into an object, including its sequences, wherever others replace them.
  void restore(DcmItem& object) const;

 private:
  std::map<std::string, std::string> standing_in_;  ///< replacements, by the source's own UID
};

/// Generates a new UID below DCMTK's root.
[[nodiscard]] std::string new_uid();

}  // namespace consilium::predict
