#pragma once

#include <map>
#include <string>

#include "client/trainer/protocol/data_source.h"

namespace consilium::session {

/// What a site has for jobs to use, by the names that they give.
struct SiteData {
  std::map<std::string, trainer::DataSource> datasets;
  std::map<std::string, std::string> atlases{};  ///< files
};

}  // namespace consilium::session
