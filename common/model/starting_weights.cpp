#include "common/model/starting_weights.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <variant>

#include "common/model/layer_names.h"
#include "common/model/layer_tensors.h"
#include "common/model/model_parameters.h"
#include "common/parameters/safetensors_file.h"

namespace consilium::model {
namespace {

constexpr std::size_t kColours = 3;
/// Maximum number of names of one kind that a message lists.
constexpr std::size_t kMostNamed = 8;

/// Returns "a, b and 3 more".
std::string listed(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kMostNamed);
  std::string text =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (shown < names.size()) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

/// Prepares a file's names for messages: shows unprintable characters as '?', and cuts long names.
std::string printable(std::string_view name) {
  std::string text(name.substr(0, 80));
  std::ranges::replace_if(
      text, [](char letter) { return letter < 0x20 || letter > 0x7E; }, '?');
  return text;
}

/// Returns the names of the kernels of convolutions over the model's input.
std::set<std::string> stems_of(const Graph& graph) {
  std::set<std::string> names;
  for (const Layer& layer : graph.layers) {
    const bool over_input = std::ranges::find(layer.inputs, std::size_t{0}) != layer.inputs.end();
    if (over_input && std::holds_alternative<Conv>(layer.operation))
      names.insert(graph.layers[layer.owner].name + ".weight");
  }
  return names;
}

/// Returns true if `found` is the shape of a kernel over three channels and `expected` is the same over one channel.
bool is_coloured(const Shape& expected, const Shape& found) {
  if (expected.size() < 2 || expected[1] != 1) return false;
  Shape coloured = expected;
  coloured[1] = kColours;
  return found == coloured;
}

/// Sums kernels of shape [out, 3, ...] over the channels, in order.
/// @param values  [out, 1, ...]
void sum_channels(std::span<const float> kernels, std::size_t outputs, std::span<float> values) {
  const std::size_t window = values.size() / outputs;
  for (std::size_t out = 0; out < outputs; ++out) {
    const float* channels = kernels.data() + out * kColours * window;
    for (std::size_t i = 0; i < window; ++i)
      values[out * window + i] = (channels[i] + channels[window + i]) + channels[2 * window + i];
  }
}

/// Fits the tensors of one file to one model.
class Fit {
 public:
  Fit(const SafetensorsFile& file, const ParameterManifest& manifest, std::set<std::string> stems,
      std::span<const std::string> replaced, StartingWeights& weights)
      : file_(file), manifest_(manifest), stems_(std::move(stems)), replaced_(replaced), weights_(weights) {}

  /// Takes, adapts or skips each tensor. Errors are those of reading the file.
  Result<void> run() {
    for (const TensorInfo& tensor : manifest_.tensors()) {
      if (is_replaced(tensor.name)) {
        weights_.drawn.push_back(tensor.name);
      } else {
        CONSILIUM_TRY(take(tensor));
      }
    }
    look_for_others();
    return {};
  }

  /// Fails if tensors are missing, surplus or of another shape.
  [[nodiscard]] Result<void> verdict() const {
    if (const auto prefix = common_prefix()) {
      return refuse(
          fmt::format("the names of its tensors begin with '{0}', which the model's names don't; save the "
                      "state_dict of the model inside of the wrapper, or take '{0}' off the names",
                      printable(*prefix)));
    }
    std::vector<std::string> problems;
    if (!missing_.empty()) problems.push_back(fmt::format("it lacks {}", listed(missing_)));
    if (!unexpected_.empty()) problems.push_back(fmt::format("the model has no {}", listed(unexpected_)));
    if (!misshapen_.empty()) problems.push_back(listed(misshapen_));
    if (problems.empty()) return {};
    return refuse(
        fmt::format("doesn't fit the model: {}; name in initial_weights.replace the layers that should begin "
                    "from the seed",
                    fmt::join(problems, "; ")));
  }

 private:
  /// Returns the prefix that a wrapper (such as PyTorch's DataParallel: "module.") has put before every name that the
  /// model has and the file seems to lack.
  [[nodiscard]] std::optional<std::string> common_prefix() const {
    if (missing_.empty() || weights_.taken > 0) return std::nullopt;
    const std::string& wanted = missing_.front();
    for (const auto& [name, entry] : file_.entries()) {
      if (!name.ends_with("." + wanted)) continue;
      const std::string prefix = name.substr(0, name.size() - wanted.size());
      const bool all = std::ranges::all_of(
          missing_, [&](const std::string& tensor) { return file_.entries().contains(prefix + tensor); });
      if (all) return prefix;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool is_replaced(std::string_view name) const {
    return std::ranges::any_of(replaced_, [&](const std::string& word) { return lies_in(name, word); });
  }

  Result<void> take(const TensorInfo& tensor) {
    const auto found = file_.entries().find(tensor.name);
    if (found == file_.entries().end()) {
      missing_.push_back(tensor.name);
      return {};
    }
    const Shape& shape = found->second.shape;
    const auto values = std::span(weights_.parameters).subspan(tensor.offset, tensor.size);
    if (shape == tensor.shape) {
      ++weights_.taken;
      return file_.read(tensor.name, values);
    }
    if (stems_.contains(tensor.name) && is_coloured(tensor.shape, shape)) return adapt(tensor, values);
    misshapen_.push_back(
        fmt::format("{} has [{}], expected [{}]", tensor.name, fmt::join(shape, ", "), fmt::join(tensor.shape, ", ")));
    return {};
  }

  Result<void> adapt(const TensorInfo& tensor, std::span<float> values) {
    std::vector<float> kernels(kColours * values.size());
    CONSILIUM_TRY(file_.read(tensor.name, kernels));
    sum_channels(kernels, static_cast<std::size_t>(tensor.shape[0]), values);
    if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); }))
      misshapen_.push_back(tensor.name + " is too large to be summed over its channels");
    weights_.adapted.push_back(tensor.name);
    return {};
  }

  void look_for_others() {
    std::set<std::string_view> known;
    for (const TensorInfo& tensor : manifest_.tensors()) known.insert(tensor.name);
    for (const auto& [name, entry] : file_.entries()) {
      if (counts_batches(name) && entry.dtype == "I64") continue;
      if (is_replaced(name)) {
        weights_.unused.push_back(printable(name));
      } else if (!known.contains(name)) {
        unexpected_.push_back(printable(name));
      }
    }
  }

  const SafetensorsFile& file_;
  const ParameterManifest& manifest_;
  std::set<std::string> stems_;
  std::span<const std::string> replaced_;
  StartingWeights& weights_;
  std::vector<std::string> missing_;
  std::vector<std::string> unexpected_;
  std::vector<std::string> misshapen_;  ///< with what is wrong about each
};

}  // namespace

Result<StartingWeights> read_starting_weights(const std::filesystem::path& path, const ModelSpec& spec,
                                              std::span<const std::string> replaced, std::uint64_t seed) {
  CONSILIUM_ASSIGN(const Graph graph, expand(spec));
  CONSILIUM_ASSIGN(const ParameterManifest manifest, build_manifest(spec));
  CONSILIUM_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(path));
  StartingWeights weights;
  CONSILIUM_ASSIGN(weights.parameters, initial_weights(spec, seed));
  Fit fit(file, manifest, stems_of(graph), replaced, weights);
  CONSILIUM_TRY(fit.run());
  if (auto fits = fit.verdict(); !fits) return fail(fits.error().within(path.string()));
  return weights;
}

std::string in_words(const StartingWeights& weights, const std::filesystem::path& file) {
  std::string text = fmt::format("{} tensors from {}", weights.taken, file.filename().string());
  if (!weights.adapted.empty())
    text += fmt::format("; {} from it, summed over its {} input channels", listed(weights.adapted), kColours);
  if (!weights.drawn.empty()) text += fmt::format("; {} from the seed", listed(weights.drawn));
  if (!weights.unused.empty()) text += fmt::format("; not used: the file's {}", listed(weights.unused));
  return text;
}

}  // namespace consilium::model
