#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/error/error.h"

namespace consilium::approval {

/// A sum that this site contributed to.
struct Release {
  std::string population;
  std::string job_id;
  std::string researcher;
  std::string kind;  ///< "census", "train" or "evaluate"
  std::uint32_t round = 0;
  std::uint32_t group = 0;  ///< index among the job's groups, from 0
  std::int64_t at = 0;      ///< seconds since 1970
  bool operator==(const Release&) const = default;
};

/// Reads every recorded release, oldest first.
using ReleaseList = std::function<Result<std::vector<Release>>()>;

}  // namespace consilium::approval
