#pragma once

#include <cstdint>
#include <vector>

#include "client/trainer/data/dataset.h"
#include "common/error/error.h"

namespace consilium::data {

/// The synthetic data of "Federated Optimization in Heterogeneous Networks" (Li et al. 2020, section 5.1), as the
/// paper's public code generates them: alpha and beta are standard deviations.
struct SyntheticSpec {
  double alpha = 1.0;  ///< how much the models of the sites differ
  double beta = 1.0;   ///< how much the features of the sites differ
  std::uint32_t sites = 30;
  std::uint32_t features = 60;
  std::uint32_t classes = 10;
};

/// Generates one data set for each site, from the seed alone. A site has floor(lognormal(4, 2)) + 50 examples with
/// float32 features. The first 90 % are its training split and the rest its test split; there is no validation split.
/// With u ~ N(0, alpha) and B ~ N(0, beta) for each site: W, b ~ N(u, 1), v_j ~ N(B, 1), x_j ~ N(v_j, j^-1.2), y =
/// argmax(softmax(W x + b)); j^-1.2 is a variance. Fails with kInvalidArgument if the spec is out of range or a site
/// would have more than 1,000,000 examples.
Result<std::vector<Dataset>> generate_synthetic(const SyntheticSpec& spec, std::uint64_t seed);

}  // namespace consilium::data
