#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace consilium::report {

/// A site as shown by `consilium sites`.
struct SiteStatus {
  std::string name;
  bool connected = false;
  std::string software;
  std::vector<std::string> datasets;
  std::string activity;              ///< "idle", "chest-xray-1: training"
  std::int64_t certificate_end = 0;  ///< end of the certificate of its last connection, UTC seconds; 0: unknown
  bool operator==(const SiteStatus&) const = default;
};

}  // namespace consilium::report
