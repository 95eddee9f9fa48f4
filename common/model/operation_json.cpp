#include "common/model/operation_json.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/config/nearest.h"
#include "common/model/layer_tensors.h"
#include "common/model/limits.h"

namespace consilium::model {
namespace {

using nlohmann::json;

/// Returns a single number if the sides are given by one number, else a list.
json sides_json(const Sides& sides) { return sides.size() == 1 ? json(sides[0]) : json(sides); }

struct SettingsWriter {
  json operator()(const Conv& conv) const {
    return {{"channels", conv.out_channels},
            {"kernel", sides_json(conv.kernel)},
            {"padding", sides_json(conv.padding)},
            {"stride", sides_json(conv.stride)},
            {"bias", conv.bias}};
  }
  json operator()(const TransposedConv& conv) const {
    return {{"channels", conv.out_channels},
            {"kernel", sides_json(conv.kernel)},
            {"stride", sides_json(conv.stride)},
            {"bias", conv.bias}};
  }
  json operator()(const Linear& linear) const { return {{"features", linear.out_features}, {"bias", linear.bias}}; }
  json operator()(const MaxPool& pool) const {
    json settings = window_json(pool.kernel, pool.stride);
    if (pool.padding != Sides{0}) settings["padding"] = sides_json(pool.padding);
    return settings;
  }
  json operator()(const AvgPool& pool) const { return window_json(pool.kernel, pool.stride); }
  json operator()(const GroupNorm& norm) const { return norm.groups; }
  json operator()(const Dropout& dropout) const { return dropout.probability; }
  json operator()(const BasicBlock& block) const {
    return {{"channels", block.out_channels}, {"stride", block.stride}};
  }
  json operator()(const Upsample& upsample) const {
    return {{"factor", upsample.factor}, {"mode", upsample.nearest ? "nearest" : "linear"}};
  }
  template <class Bare>
  json operator()(const Bare& /*has no settings*/) const {
    return nullptr;
  }

  static json window_json(const Sides& kernel, const Sides& stride) {
    return {{"kernel", sides_json(kernel)}, {"stride", sides_json(stride.empty() ? kernel : stride)}};
  }
};

/// Reads an integer, or a list with one integer for each dimension of an image.
Result<Sides> read_sides(const JsonValue& value, std::int64_t low) {
  if (!value.json.is_array()) {
    CONSILIUM_ASSIGN(const std::int64_t side, value.integer(low, kMaxKernel));
    return Sides{side};
  }
  if (value.json.size() != 2 && value.json.size() != 3)
    return value.expected(
        fmt::format("an integer {} to {}, or a list with one such integer for each dimension", low, kMaxKernel));
  Sides sides;
  for (std::size_t i = 0; i < value.json.size(); ++i) {
    CONSILIUM_ASSIGN(const std::int64_t side, value.element(i).integer(low, kMaxKernel));
    sides.push_back(side);
  }
  if (std::ranges::all_of(sides, [&](std::int64_t side) { return side == sides[0]; })) return Sides{sides[0]};
  return sides;
}

Result<Sides> sides_at(const JsonValue& settings, std::string_view key, std::int64_t low, const Sides& otherwise) {
  if (settings.has(key)) return read_sides(settings.member(key), low);
  if (!otherwise.empty()) return otherwise;
  // There is no default, so a missing key gives the same error as for any other integer.
  CONSILIUM_ASSIGN(const std::int64_t side, settings.integer_at(key, low, kMaxKernel));
  return Sides{side};
}

/// Returns the padding. "same" keeps the sides, and requires odd kernels and stride 1.
Result<Sides> padding_of(const JsonValue& settings, const Sides& kernel, const Sides& stride) {
  if (!settings.has("padding")) return Sides{0};
  const JsonValue padding = settings.member("padding");
  if (padding.json != "same") {
    if (padding.json.is_number() || padding.json.is_array()) return read_sides(padding, 0);
    return padding.expected(fmt::format("'same' or an integer 0 to {}", kMaxKernel));
  }
  Sides half;
  bool odd = stride == Sides{1};
  for (const std::int64_t side : kernel) {
    odd = odd && side % 2 == 1;
    half.push_back(side / 2);
  }
  if (odd) return half;
  return padding.refuse(
      fmt::format("'same' needs an odd kernel and stride 1, found kernel {} and stride {}: give a "
                  "number",
                  fmt::join(kernel, "x"), fmt::join(stride, "x")));
}

Result<Operation> read_conv(const JsonValue& settings) {
  static constexpr std::array<std::string_view, 5> keys{"channels", "kernel", "padding", "stride", "bias"};
  CONSILIUM_TRY(settings.check_keys(keys));
  Conv conv;
  CONSILIUM_ASSIGN(conv.out_channels, settings.integer_at("channels", 1, kMaxWidth));
  CONSILIUM_ASSIGN(conv.kernel, sides_at(settings, "kernel", 1, {}));
  CONSILIUM_ASSIGN(conv.stride, sides_at(settings, "stride", 1, {1}));
  CONSILIUM_ASSIGN(conv.padding, padding_of(settings, conv.kernel, conv.stride));
  CONSILIUM_ASSIGN(conv.bias, settings.boolean_at("bias", true));
  return conv;
}

Result<Operation> read_transposed_conv(const JsonValue& settings) {
  static constexpr std::array<std::string_view, 4> keys{"channels", "kernel", "stride", "bias"};
  CONSILIUM_TRY(settings.check_keys(keys));
  TransposedConv conv;
  CONSILIUM_ASSIGN(conv.out_channels, settings.integer_at("channels", 1, kMaxWidth));
  CONSILIUM_ASSIGN(conv.kernel, sides_at(settings, "kernel", 1, {}));
  CONSILIUM_ASSIGN(conv.stride, sides_at(settings, "stride", 1, conv.kernel));
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

Result<Operation> read_max_pool(const JsonValue& settings) {
  static constexpr std::array<std::string_view, 3> keys{"kernel", "stride", "padding"};
  MaxPool pool;
  if (settings.json.is_object()) {
    CONSILIUM_TRY(settings.check_keys(keys));
    CONSILIUM_ASSIGN(pool.kernel, sides_at(settings, "kernel", 1, {}));
    CONSILIUM_ASSIGN(pool.stride, sides_at(settings, "stride", 1, pool.kernel));
    CONSILIUM_ASSIGN(pool.padding, sides_at(settings, "padding", 0, {0}));
    return pool;
  }
  CONSILIUM_ASSIGN(pool.kernel, read_sides(settings, 1));
  pool.stride = pool.kernel;
  return pool;
}

Result<Operation> read_avg_pool(const JsonValue& settings) {
  static constexpr std::array<std::string_view, 2> keys{"kernel", "stride"};
  AvgPool pool;
  if (settings.json.is_object()) {
    CONSILIUM_TRY(settings.check_keys(keys));
    CONSILIUM_ASSIGN(pool.kernel, sides_at(settings, "kernel", 1, {}));
    CONSILIUM_ASSIGN(pool.stride, sides_at(settings, "stride", 1, pool.kernel));
    return pool;
  }
  CONSILIUM_ASSIGN(pool.kernel, read_sides(settings, 1));
  pool.stride = pool.kernel;
  return pool;
}

Result<Operation> read_group_norm(const JsonValue& settings) {
  GroupNorm norm;
  CONSILIUM_ASSIGN(norm.groups, settings.integer(1, kMaxWidth));
  return norm;
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

Result<Operation> read_upsample(const JsonValue& settings) {
  static constexpr std::array<std::string_view, 2> keys{"factor", "mode"};
  Upsample upsample;
  if (!settings.json.is_object()) {
    CONSILIUM_ASSIGN(upsample.factor, settings.integer(1, kMaxFactor));
    return upsample;
  }
  CONSILIUM_TRY(settings.check_keys(keys));
  CONSILIUM_ASSIGN(upsample.factor, settings.integer_at("factor", 1, kMaxFactor));
  if (settings.has("mode")) {
    const JsonValue mode = settings.member("mode");
    if (mode.json != "linear" && mode.json != "nearest") return mode.expected("'linear' or 'nearest'");
    upsample.nearest = mode.json == "nearest";
  }
  return upsample;
}

template <class Bare>
Result<Operation> read_bare(const JsonValue& settings) {
  CONSILIUM_TRY(settings.check_keys({}));
  return Bare{};
}

struct Word {
  Result<Operation> (*read)(const JsonValue&);
  bool bare = false;  ///< a job may use the word without settings
};

/// In the order of Operation.
constexpr std::array<Word, std::variant_size_v<Operation>> kReaders{{{read_conv},
                                                                     {read_linear},
                                                                     {read_bare<Relu>, true},
                                                                     {read_max_pool},
                                                                     {read_avg_pool},
                                                                     {read_bare<GlobalAvgPool>, true},
                                                                     {read_bare<BatchNorm>, true},
                                                                     {read_dropout},
                                                                     {read_bare<Flatten>, true},
                                                                     {read_block},
                                                                     {read_transposed_conv},
                                                                     {read_group_norm},
                                                                     {read_bare<InstanceNorm>, true},
                                                                     {read_upsample},
                                                                     {read_bare<UpsampleLike>, true},
                                                                     {read_bare<Add>, true},
                                                                     {read_bare<Concat>, true}}};

}  // namespace

json settings_of(const Operation& operation) { return std::visit(SettingsWriter{}, operation); }

Result<Operation> operation_from_json(const std::string& word, const json* settings, const JsonValue& value) {
  const auto words = operation_words();
  const auto found = std::ranges::find(words, word);
  if (found == words.end()) {
    return value.refuse(fmt::format("unknown layer {}, {}", shown(json(word)), config::meant(word, words)));
  }
  const Word& reader = kReaders[static_cast<std::size_t>(found - words.begin())];
  if (settings != nullptr) return reader.read(value.member(word));
  if (reader.bare) return reader.read({json::object(), value.path});
  return value.refuse(fmt::format("'{0}' needs settings, as in '{0}: ...'", word));
}

}  // namespace consilium::model
