#include "common/model/layer_json.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <utility>

#include "common/config/nearest.h"
#include "common/model/layer_tensors.h"
#include "common/model/limits.h"

namespace consilium::model {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 10> kWords{"conv",           "linear",    "relu",    "maxpool", "avgpool",
                                                  "global_avgpool", "batchnorm", "dropout", "flatten", "basic_block"};

struct LayerWriter {
  json operator()(const Conv2d& conv) const {
    return {{"conv",
             {{"channels", conv.out_channels},
              {"kernel", conv.kernel},
              {"padding", conv.padding},
              {"stride", conv.stride},
              {"bias", conv.bias}}}};
  }
  json operator()(const Linear& linear) const {
    return {{"linear", {{"features", linear.out_features}, {"bias", linear.bias}}}};
  }
  json operator()(const Relu& /*relu*/) const { return "relu"; }
  json operator()(const MaxPool2d& pool) const { return {{"maxpool", pool_json(pool.kernel, pool.stride)}}; }
  json operator()(const AvgPool2d& pool) const { return {{"avgpool", pool_json(pool.kernel, pool.stride)}}; }
  json operator()(const GlobalAvgPool2d& /*pool*/) const { return "global_avgpool"; }
  json operator()(const BatchNorm& /*norm*/) const { return "batchnorm"; }
  json operator()(const Dropout& dropout) const { return {{"dropout", dropout.probability}}; }
  json operator()(const Flatten& /*flatten*/) const { return "flatten"; }
  json operator()(const BasicBlock& block) const {
    return {{"basic_block", {{"channels", block.out_channels}, {"stride", block.stride}}}};
  }

  static json pool_json(std::int64_t kernel, std::int64_t stride) {
    return {{"kernel", kernel}, {"stride", stride == 0 ? kernel : stride}};
  }
};

/// "same" keeps height and width, which takes an odd kernel and stride 1.
Result<std::int64_t> padding_of(const JsonValue& settings, std::int64_t kernel, std::int64_t stride) {
  if (!settings.has("padding")) return 0;
  const JsonValue padding = settings.member("padding");
  if (padding.json != "same") {
    if (padding.json.is_number()) return padding.integer(0, kMaxKernel);
    return padding.expected(fmt::format("'same' or an integer 0 to {}", kMaxKernel));
  }
  if (kernel % 2 == 1 && stride == 1) return kernel / 2;
  return padding.refuse(fmt::format(
      "'same' needs an odd kernel and stride 1, found kernel {} and stride {}: give a number", kernel, stride));
}

Result<Operation> read_conv(const JsonValue& settings) {
  static constexpr std::array<std::string_view, 5> keys{"channels", "kernel", "padding", "stride", "bias"};
  CONSILIUM_TRY(settings.check_keys(keys));
  Conv2d conv;
  CONSILIUM_ASSIGN(conv.out_channels, settings.integer_at("channels", 1, kMaxWidth));
  CONSILIUM_ASSIGN(conv.kernel, settings.integer_at("kernel", 1, kMaxKernel));
  CONSILIUM_ASSIGN(conv.stride, settings.integer_at("stride", 1, kMaxKernel, 1));
  CONSILIUM_ASSIGN(conv.padding, padding_of(settings, conv.kernel, conv.stride));
  CONSILIUM_ASSIGN(conv.bias, settings.boolean_at("bias", true));
  return conv;
}

Result<Operation> read_linear(const JsonValue& settings) {
  static constexpr std::array<std::string_view, 2> keys{"features", "bias"};
  Linear linear;
  if (settings.json.is_object()) {
    CONSILIUM_TRY(settings.check_keys(keys));
    CONSILIUM_ASSIGN(linear.out_features, settings.integer_at("features", 1, kMaxWidth));
    CONSILIUM_ASSIGN(linear.bias, settings.boolean_at("bias", true));
    return linear;
  }
  CONSILIUM_ASSIGN(linear.out_features, settings.integer(1, kMaxWidth));
  return linear;
}

template <class Pool>
Result<Operation> read_pool(const JsonValue& settings) {
  static constexpr std::array<std::string_view, 2> keys{"kernel", "stride"};
  Pool pool;
  if (settings.json.is_object()) {
    CONSILIUM_TRY(settings.check_keys(keys));
    CONSILIUM_ASSIGN(pool.kernel, settings.integer_at("kernel", 1, kMaxKernel));
    CONSILIUM_ASSIGN(pool.stride, settings.integer_at("stride", 1, kMaxKernel, pool.kernel));
    return pool;
  }
  CONSILIUM_ASSIGN(pool.kernel, settings.integer(1, kMaxKernel));
  pool.stride = pool.kernel;
  return pool;
}

Result<Operation> read_dropout(const JsonValue& settings) {
  constexpr std::string_view what = "a number, at least 0 and below 1";
  if (!settings.json.is_number()) return settings.expected(what);
  const auto probability = settings.json.get<double>();
  if (!(probability >= 0.0 && probability < 1.0)) return settings.expected(what);
  return Dropout{probability};
}

Result<Operation> read_block(const JsonValue& settings) {
  static constexpr std::array<std::string_view, 2> keys{"channels", "stride"};
  CONSILIUM_TRY(settings.check_keys(keys));
  BasicBlock block;
  CONSILIUM_ASSIGN(block.out_channels, settings.integer_at("channels", 1, kMaxWidth));
  CONSILIUM_ASSIGN(block.stride, settings.integer_at("stride", 1, kMaxKernel, 1));
  return block;
}

template <class Bare>
Result<Operation> read_bare(const JsonValue& settings) {
  CONSILIUM_TRY(settings.check_keys({}));
  return Bare{};
}

using Reader = Result<Operation> (*)(const JsonValue&);

/// In the order of kWords, which is that of Operation.
constexpr std::array<Reader, kWords.size()> kReaders{read_conv,
                                                     read_linear,
                                                     read_bare<Relu>,
                                                     read_pool<MaxPool2d>,
                                                     read_pool<AvgPool2d>,
                                                     read_bare<GlobalAvgPool2d>,
                                                     read_bare<BatchNorm>,
                                                     read_dropout,
                                                     read_bare<Flatten>,
                                                     read_block};

/// True for layers that a job may write as a bare word.
bool is_bare(std::string_view word) {
  return word == "relu" || word == "global_avgpool" || word == "batchnorm" || word == "flatten";
}

}  // namespace

json layer_to_json(const Operation& operation) { return std::visit(LayerWriter{}, operation); }

Result<Operation> layer_from_json(const JsonValue& value) {
  const bool bare = value.json.is_string();
  if (!bare && !(value.json.is_object() && value.json.size() == 1)) {
    return value.expected("a layer's word, or a map of one word to its settings");
  }
  const std::string word = bare ? value.json.get<std::string>() : value.json.begin().key();
  for (std::size_t i = 0; i < kWords.size(); ++i) {
    if (word != kWords[i]) continue;
    if (!bare) return kReaders[i](value.member(word));
    if (is_bare(word)) return kReaders[i]({json::object(), value.path});
    return value.refuse(fmt::format("'{0}' needs settings, as in '{0}: ...'", word));
  }
  return value.refuse(
      fmt::format("unknown layer {}, did you mean '{}'?", shown(json(word)), config::nearest(word, kWords)));
}

}  // namespace consilium::model
