#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "client/trainer/data/dataset.h"
#include "common/error/error.h"

namespace consilium::data {

enum class PartitionKind : std::uint8_t {
  kIid,        ///< at random, evenly
  kShards,     ///< sorted by label and cut into pieces, `shards` for each site (McMahan et al. 2017, section 3)
  kDirichlet,  ///< class shares of a site drawn from Dir(alpha x the whole's shares) (Hsu et al. 2019, section 3)
};

/// How the training split is divided among sites. For every kind, the sites' numbers of examples differ by at most one.
struct PartitionSpec {
  PartitionKind kind = PartitionKind::kIid;
  std::uint32_t shards = 2;  ///< kShards: pieces for each site
  double alpha = 0.0;        ///< kDirichlet: concentration; smaller values give each site fewer classes
  std::uint32_t sites = 1;
  /// The exact number of training examples for each site. They are drawn without replacement from all examples before
  /// these are divided, and the rest is left out. If unset, every example goes to a site.
  std::optional<std::uint32_t> per_site;
  bool operator==(const PartitionSpec&) const = default;
};

/// Parses "iid", "shards:2" or "dirichlet:0.1" into a spec for one site.
Result<PartitionSpec> parse_partition(std::string_view text);

/// The examples of one site, as indices into the whole's splits.
struct Assignment {
  std::vector<std::uint32_t> train;
  std::vector<std::uint32_t> val;
  std::vector<std::uint32_t> test;
};

/// Decides which site gets which examples, from the seed alone. The validation and test splits are distributed evenly
/// and at random, and completely. Fails with kInvalidArgument if there are too few examples.
Result<std::vector<Assignment>> assign(const Dataset& whole, const PartitionSpec& spec, std::uint64_t seed);

/// Copies the examples of one site from the whole.
[[nodiscard]] Dataset take(const Dataset& whole, const Assignment& assignment);

/// Divides a data set among sites: calls assign(), then take() for each site.
Result<std::vector<Dataset>> partition(const Dataset& whole, const PartitionSpec& spec, std::uint64_t seed);

}  // namespace consilium::data
