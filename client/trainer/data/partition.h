#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "client/trainer/data/dataset.h"
#include "common/error/error.h"

namespace consilium::data {

enum class PartitionKind : std::uint8_t {
  kIid,     ///< at random, evenly
  kShards,  ///< sorted by label, cut into sites x shards pieces, `shards` of them a site (McMahan et al. 2017, section
            ///< 3)
  kDirichlet,  ///< each site's classes drawn from Dir(alpha x the whole's class shares) (Hsu et al. 2019, section 3)
};

/// How the training split is spread over sites. Whatever the kind, the sites' numbers of examples differ by one at
/// most.
struct PartitionSpec {
  PartitionKind kind = PartitionKind::kIid;
  std::uint32_t shards = 2;  ///< kShards: pieces a site
  double alpha = 0.0;        ///< kDirichlet: concentration; the smaller, the fewer classes a site has
  std::uint32_t sites = 1;
  /// Exactly so many training examples a site, drawn without replacement from all before they are spread; the rest is
  /// left out. Without it every example is given to a site.
  std::optional<std::uint32_t> per_site;
  bool operator==(const PartitionSpec&) const = default;
};

/// Reads "iid", "shards:2" or "dirichlet:0.1" into a spec of one site.
Result<PartitionSpec> parse_partition(std::string_view text);

/// The examples of one site, as indices into the whole's splits.
struct Assignment {
  std::vector<std::uint32_t> train;
  std::vector<std::uint32_t> val;
  std::vector<std::uint32_t> test;
};

/// Decides which site gets which examples, from the seed alone. Validation and test splits are dealt out evenly at
/// random, so that the sites' together are the whole. Fails with kInvalidArgument where there are too few examples.
Result<std::vector<Assignment>> assign(const Dataset& whole, const PartitionSpec& spec, std::uint64_t seed);

/// Copies one site's examples out of the whole.
[[nodiscard]] Dataset take(const Dataset& whole, const Assignment& assignment);

/// Splits a data set over sites: assign(), and take() for each.
Result<std::vector<Dataset>> partition(const Dataset& whole, const PartitionSpec& spec, std::uint64_t seed);

}  // namespace consilium::data
