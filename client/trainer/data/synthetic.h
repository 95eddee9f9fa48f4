#pragma once

#include <cstdint>
#include <vector>

#include "client/trainer/data/dataset.h"
#include "common/error/error.h"

namespace consilium::data {

/// The data of "Federated Optimization in Heterogeneous Networks" (Li et al. 2020, section 5.1), as the paper's public
/// code generates them: alpha and beta are standard deviations.
struct SyntheticSpec {
  double alpha = 1.0;  ///< how much the sites' models differ
  double beta = 1.0;   ///< how much their features differ
  std::uint32_t sites = 30;
  std::uint32_t features = 60;
  std::uint32_t classes = 10;
};

/// Generates one data set a site, from the seed alone: a site's size is floor(lognormal(4, 2)) + 50, of which the first
/// 90 % are its training split and the rest its test split; float32 features, no validation split. With u ~ N(0, alpha)
/// and B ~ N(0, beta) of the site: W, b ~ N(u, 1), v_j ~ N(B, 1), x_j ~ N(v_j, j^-1.2), y = argmax(softmax(W x + b)).
/// Fails with kInvalidArgument on a spec out of range, or where a site would have more than 1,000,000 examples.
Result<std::vector<Dataset>> generate_synthetic(const SyntheticSpec& spec, std::uint64_t seed);

}  // namespace consilium::data
