#pragma once

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace consilium::job {

/// Returns the text of a file of the source tree.
inline std::string source_file(const std::string& path) {
  std::ifstream stream(std::string(CONSILIUM_SOURCE_DIR "/") + path);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// Returns `text` with the first `from` replaced. Throws if there is none, so that a stale case fails.
inline std::string with(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) throw std::invalid_argument("no '" + from + "' in the text");
  return text.replace(at, from.size(), to);
}

/// A small job that every case below changes in one place.
inline const std::string kSmallJob = R"(name: small
model: {layers: [{linear: 16}, relu, {linear: 4}], input: [8], classes: 4}
data: {dataset: synthetic, normalize: {mean: 0.5, std: 0.25}}
training:
  local_epochs: 2
  batch_size: 10
  optimizer: {name: sgd, learning_rate: 0.01, momentum: 0.9, weight_decay: 0.001}
  schedule: {name: step, every: 5, factor: 0.5}
  time_limit: 10m
  loss: cross_entropy
federation: {rounds: 20, sites: [a, b, c], fraction: 0.5, minimum_sites: 2, quorum: 0.75, deadline: 15m}
strategy: {name: fedprox, mu: 1.0, weighting: cohort}
privacy: {secure_aggregation: off, clip: 16, buffer_clip: 1024}
evaluation: {every: 1, split: test}
initial_weights: weights.safetensors
seed: 7
)";

}  // namespace consilium::job
