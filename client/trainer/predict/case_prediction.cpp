#include "client/trainer/predict/case_prediction.h"

#include <algorithm>
#include <cmath>

namespace consilium::predict {

std::vector<double> softmax(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  std::vector<double> probabilities(logits.size());
  double sum = 0.0;
  for (std::size_t i = 0; i < logits.size(); ++i) sum += probabilities[i] = std::exp(double{logits[i]} - most);
  for (double& one : probabilities) one /= sum;
  return probabilities;
}

std::vector<double> sigmoid(std::span<const float> logits) {
  std::vector<double> probabilities;
  for (const float logit : logits) probabilities.push_back(1.0 / (1.0 + std::exp(-double{logit})));
  return probabilities;
}

}  // namespace consilium::predict
