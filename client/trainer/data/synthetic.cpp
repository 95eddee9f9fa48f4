#include "client/trainer/data/synthetic.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/random/random_stream.h"

namespace consilium::data {
namespace {

constexpr double kSizeMean = 4.0, kSizeDeviation = 2.0;  // mean and deviation of the logarithm of a site's size
constexpr std::size_t kSmallestSite = 50;
constexpr std::size_t kLargestSite = 1'000'000;
constexpr double kVarianceExponent = -1.2;
constexpr double kTrainShare = 0.9;

/// The softmax regression model that labels a site's examples.
struct Labeller {
  std::vector<double> weights;  ///< features x classes
  std::vector<double> biases;

  [[nodiscard]] std::uint16_t label(const std::vector<double>& example) const {
    std::vector<double> scores = biases;
    for (std::size_t j = 0; j < example.size(); ++j) {
      for (std::size_t k = 0; k < scores.size(); ++k) scores[k] += example[j] * weights[j * scores.size() + k];
    }
    return static_cast<std::uint16_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
  }
};

std::vector<double> draw_normals(RandomStream& stream, std::size_t count, double mean) {
  std::vector<double> values(count);
  for (double& value : values) value = mean + stream.next_normal();
  return values;
}

Result<std::size_t> draw_size(RandomStream& stream, std::uint32_t site) {
  const double size = std::floor(std::exp(kSizeMean + kSizeDeviation * stream.next_normal()));
  if (size <= static_cast<double>(kLargestSite - kSmallestSite)) return static_cast<std::size_t>(size) + kSmallestSite;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("synthetic: site {} would have {} examples, but at most {} are possible; choose another seed",
                          site, size, kLargestSite));
}

/// Appends one example to a split.
void append(Split& split, const std::vector<double>& example, std::uint16_t label) {
  auto& values = std::get<std::vector<float>>(split.values);
  for (const double value : example) values.push_back(static_cast<float>(value));
  split.labels.push_back(label);
}

Result<Dataset> generate_site(const SyntheticSpec& spec, std::uint64_t seed, std::uint32_t site) {
  RandomStream stream(seed, RandomPurpose::kSynthetic, 0, fmt::format("site {}", site));
  CONSILIUM_ASSIGN(const std::size_t size, draw_size(stream, site));
  const double model_mean = spec.alpha * stream.next_normal();
  const double feature_mean = spec.beta * stream.next_normal();
  const std::vector<double> centre = draw_normals(stream, spec.features, feature_mean);
  Labeller labeller;
  labeller.weights = draw_normals(stream, std::size_t{spec.features} * spec.classes, model_mean);
  labeller.biases = draw_normals(stream, spec.classes, model_mean);

  Dataset dataset{{spec.features}, spec.classes, {}, {}, {}};
  for (Split* split : {&dataset.train, &dataset.val, &dataset.test}) split->values = std::vector<float>();
  const auto train_size = static_cast<std::size_t>(kTrainShare * static_cast<double>(size));
  std::vector<double> example(spec.features), deviations(spec.features);
  for (std::size_t j = 0; j < deviations.size(); ++j)
    deviations[j] = std::sqrt(std::pow(static_cast<double>(j + 1), kVarianceExponent));
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < example.size(); ++j) example[j] = centre[j] + deviations[j] * stream.next_normal();
    append(i < train_size ? dataset.train : dataset.test, example, labeller.label(example));
  }
  return dataset;
}

}  // namespace

Result<std::vector<Dataset>> generate_synthetic(const SyntheticSpec& spec, std::uint64_t seed) {
  const bool sound = spec.alpha >= 0.0 && spec.alpha <= 1000.0 && spec.beta >= 0.0 && spec.beta <= 1000.0 &&
                     spec.sites >= 1 && spec.sites <= 10000 && spec.features >= 1 && spec.features <= 10000 &&
                     spec.classes >= 2 && spec.classes <= 1000;
  if (!sound) {
    return fail(ErrorCode::kInvalidArgument,
                "synthetic: expected alpha and beta from 0 to 1000, 1 to 10000 sites and features, 2 to 1000 classes");
  }
  std::vector<Dataset> sites;
  for (std::uint32_t site = 0; site < spec.sites; ++site) {
    CONSILIUM_ASSIGN(Dataset dataset, generate_site(spec, seed, site));
    sites.push_back(std::move(dataset));
  }
  return sites;
}

}  // namespace consilium::data
