#pragma once

#include <map>
#include <string>

#include "client/trainer/protocol/data_source.h"

namespace consilium::session {

/// The data sets and atlases that jobs can use, by the names that jobs give.
struct SiteData {
  std::map<std::string, trainer::DataSource> datasets;
  std::map<std::string, std::string> atlases{};  ///< files
};

}  // namespace consilium::session
