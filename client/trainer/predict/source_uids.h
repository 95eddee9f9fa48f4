#pragma once

#include <map>
#include <string>

class DcmItem;

namespace consilium::predict {

/// The UIDs of a segmentation's source. Scanners write some that break the standard's rules, as with a component that
/// begins with 0 (PS3.5, 9.1), and DCMTK refuses to write those. A reference has to be what the instance is called, so
/// a lawful UID stands in for such a one until the object is made.
class SourceUids {
 public:
  /// Returns a UID that is lawful as it is, and else the one that stands in for it.
  std::string lawful(const std::string& uid);
  /// Puts the source's own UIDs into an object, its sequences included, wherever others stand in for them.
  void restore(DcmItem& object) const;

 private:
  std::map<std::string, std::string> standing_in_;  ///< by the source's own
};

/// Makes a new UID of DCMTK's root.
[[nodiscard]] std::string new_uid();

}  // namespace consilium::predict
