#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/model/starting_weights.h"
#include "common/parameters/safetensors.h"

using namespace consilium;

namespace {

/// Every value read from a file is a number, whether the file is read strictly or as weights that fit partly.
void check_numbers(const ParameterVector& parameters) {
  if (!std::ranges::all_of(parameters, [](float value) { return std::isfinite(value); })) std::abort();
}

model::ModelSpec grey_classifier() {
  model::ModelSpec spec;
  spec.layers = {model::Conv{.out_channels = 1, .kernel = {1}, .bias = false}, model::Linear{.out_features = 2}};
  spec.input = {1, 1, 1};
  spec.classes = 2;
  return spec;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ParameterManifest manifest = *ParameterManifest::create(
      {{"a", {2}, TensorRole::kTrainable, 0, 0}, {"bn.running_mean", {1}, TensorRole::kBuffer, 0, 0}});
  static const model::ModelSpec spec = grey_classifier();
  static const std::vector<std::string> replaced{"1"};
  static const int file = ::memfd_create("safetensors", MFD_CLOEXEC);
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (const auto parameters = read_safetensors(path, manifest)) check_numbers(*parameters);
  if (const auto weights = model::read_starting_weights(path, spec, replaced, 1)) check_numbers(weights->parameters);
  return 0;
}
