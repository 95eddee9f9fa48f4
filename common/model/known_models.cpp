#include "common/model/known_models.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/model/shapes.h"

namespace consilium::model {
namespace {

Conv conv(std::int64_t channels, std::int64_t kernel, std::int64_t padding) {
  Conv layer;
  layer.out_channels = channels;
  layer.kernel = {kernel};
  layer.padding = {padding};
  return layer;
}

Linear linear(std::int64_t features) { return Linear{.out_features = features}; }

Draft chain(std::vector<std::pair<std::string, Operation>> layers) {
  Draft draft;
  std::size_t value = Draft::kInput;
  for (auto& [name, operation] : layers) value = draft.add(std::move(name), std::move(operation), {value});
  draft.outputs = {value};
  return draft;
}

/// The CNN of McMahan et al. 2017, section 3.
Draft fedavg_cnn(const ModelSpec& spec) {
  const MaxPool pool{{2}, {2}, {0}};
  return chain({{"conv1", conv(32, 5, 2)},
                {"relu1", Relu{}},
                {"pool1", pool},
                {"conv2", conv(64, 5, 2)},
                {"relu2", Relu{}},
                {"pool2", pool},
                {"flatten", Flatten{}},
                {"fc1", linear(512)},
                {"relu3", Relu{}},
                {"fc2", linear(spec.classes)}});
}

/// The multilayer perceptron ("2NN") of McMahan et al. 2017, section 3.
Draft mlp_2nn(const ModelSpec& spec) {
  return chain({{"flatten", Flatten{}},
                {"fc1", linear(200)},
                {"relu1", Relu{}},
                {"fc2", linear(200)},
                {"relu2", Relu{}},
                {"fc3", linear(spec.classes)}});
}

constexpr std::array<std::string_view, 2> kStems{"small", "imagenet"};
constexpr std::array<std::string_view, 2> kBatchOrGroup{"batch", "group"};
constexpr std::array<std::string_view, 3> kUnetNorms{"instance", "batch", "group"};

constexpr std::optional<NumberOption> kNoNumber{};
constexpr std::optional<WordOption> kNoWord{};
constexpr WordOption kStem{kStems};
constexpr WordOption kNorm{kBatchOrGroup};

const std::array<KnownModel, 9> kModels{{
    {"fedavg_cnn", fedavg_cnn, kNoNumber, kNoNumber, kNoWord, kNoWord},
    {"mlp_2nn", mlp_2nn, kNoNumber, kNoNumber, kNoWord, kNoWord},
    {"resnet18", [](const ModelSpec& spec) { return resnet(18, spec); }, kNoNumber, kNoNumber, kStem, kNorm},
    {"resnet34", [](const ModelSpec& spec) { return resnet(34, spec); }, kNoNumber, kNoNumber, kStem, kNorm},
    {"resnet50", [](const ModelSpec& spec) { return resnet(50, spec); }, kNoNumber, kNoNumber, kStem, kNorm},
    {"densenet121", densenet121, kNoNumber, kNoNumber, kStem, kNoWord},
    {"r3d_18", r3d_18, kNoNumber, kNoNumber, kNoWord, kNorm},
    {"unet", unet, NumberOption{4, 512, 32}, NumberOption{1, 8, 4}, kNoWord, WordOption{kUnetNorms}},
    {"fcos_resnet18", fcos_resnet18, NumberOption{32, 1024, 256, 32}, kNoNumber, kNoWord, kNorm},
}};

Result<void> check_number(std::string_view key, const KnownModel& model, const std::optional<NumberOption>& option,
                          const std::optional<std::int64_t>& value) {
  if (!value) return {};
  if (!option) return refuse(fmt::format("{}: {} has no such option", key, model.name));
  if (*value >= option->low && *value <= option->high && *value % option->multiple == 0) return {};
  const std::string multiple = option->multiple == 1 ? "" : fmt::format(" and a multiple of {}", option->multiple);
  return refuse(
      fmt::format("{}: expected an integer {} to {}{}, found {}", key, option->low, option->high, multiple, *value));
}

Result<void> check_word(std::string_view key, const KnownModel& model, const std::optional<WordOption>& option,
                        const std::optional<std::string>& value) {
  if (!value) return {};
  if (!option) return refuse(fmt::format("{}: {} has no such option", key, model.name));
  if (std::ranges::find(option->words, *value) != option->words.end()) return {};
  return refuse(fmt::format("{}: expected one of {}, found '{}'", key, fmt::join(option->words, ", "), *value));
}

}  // namespace

const std::vector<std::string>& known_models() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const KnownModel& model : kModels) all.emplace_back(model.name);
    return all;
  }();
  return names;
}

const KnownModel* find_known_model(std::string_view name) {
  const auto found = std::ranges::find(kModels, name, &KnownModel::name);
  return found == kModels.end() ? nullptr : &*found;
}

Result<void> check_options(const KnownModel& model, const ModelOptions& options) {
  CONSILIUM_TRY(check_number("width", model, model.width, options.width));
  CONSILIUM_TRY(check_number("depth", model, model.depth, options.depth));
  CONSILIUM_TRY(check_word("stem", model, model.stem, options.stem));
  return check_word("norm", model, model.norm, options.norm);
}

ModelOptions without_defaults(const KnownModel& model, ModelOptions options) {
  if (model.width && options.width == model.width->standard) options.width.reset();
  if (model.depth && options.depth == model.depth->standard) options.depth.reset();
  if (model.stem && options.stem && *options.stem == model.stem->words[0]) options.stem.reset();
  if (model.norm && options.norm && *options.norm == model.norm->words[0]) options.norm.reset();
  return options;
}

}  // namespace consilium::model
