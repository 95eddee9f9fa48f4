#include "common/task/task_json.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "common/task/limits.h"

namespace consilium::task {
namespace {

using Json = nlohmann::json;

constexpr std::array kTasks{TaskKind::kClassification, TaskKind::kMultiLabel, TaskKind::kSegmentation,
                            TaskKind::kDetection};
constexpr std::array kLosses{LossKind::kCrossEntropy, LossKind::kBinaryCrossEntropy, LossKind::kFocal,
                             LossKind::kDiceCrossEntropy, LossKind::kFcos};

constexpr std::string_view kBalanced = "balanced";

tl::unexpected<Error> refuse(const std::string& path, std::string_view expected) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}: expected {}", path, expected));
}

/// Reads the keys of a name or a map. done() refuses keys that weren't read.
class Reader {
 public:
  Reader(const Json& json, std::string path) : json_(json), path_(std::move(path)) {}

  template <class Kind, std::size_t N>
  Result<Kind> kind(const std::array<Kind, N>& known) {
    const Json* name = json_.is_object() ? member("name") : &json_;
    std::string names;
    for (const Kind one : known) {
      if (name != nullptr && name->is_string() && name->get_ref<const std::string&>() == name_of(one)) return one;
      names += (names.empty() ? "one of " : ", ") + std::string(name_of(one));
    }
    return refuse(path_ + ".name", names);
  }
  /// Reads a number; leaves `to` unchanged if the key is absent or null.
  Result<void> number(const char* key, double& to) {
    const Json* value = member(key);
    if (value == nullptr || value->is_null()) return {};
    if (!value->is_number()) return refuse(path_ + "." + key, "a number");
    to = value->get<double>();
    return {};
  }
  /// Reads a number from 0 to `most`.
  Result<void> number(const char* key, double& to, double most) {
    CONSILIUM_TRY(number(key, to));
    if (to >= 0.0 && to <= most) return {};
    return refuse(path_ + "." + key, fmt::format("a number from 0 to {}", most));
  }
  /// Reads a list of words, each of which sets its flag.
  template <std::size_t N>
  Result<void> words(const char* key, const std::array<const char*, N>& known, std::array<bool, N>& to) {
    const Json* value = member(key);
    if (value == nullptr || value->is_null()) return {};
    std::string names;
    for (const char* one : known) names += (names.empty() ? "" : ", ") + std::string(one);
    const std::string expected = fmt::format("a list of 1 to {} of {}", N, names);
    if (!value->is_array() || value->empty() || value->size() > N) return refuse(path_ + "." + key, expected);
    for (std::size_t i = 0; i < value->size(); ++i) {
      const auto found = std::ranges::find_if(known, [&](const char* one) { return (*value)[i] == one; });
      if (found == known.end()) return refuse(fmt::format("{}.{}[{}]", path_, key, i), "one of " + names);
      to[static_cast<std::size_t>(found - known.begin())] = true;
    }
    return {};
  }
  Result<void> integer(const char* key, std::uint32_t& to, std::uint32_t most) {
    const Json* value = member(key);
    if (value == nullptr || value->is_null()) return {};
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() > most)
      return refuse(path_ + "." + key, fmt::format("an integer from 0 to {}", most));
    to = value->get<std::uint32_t>();
    return {};
  }
  Result<void> class_weights(LossSpec& loss) {
    const char* const key = "class_weights";
    std::vector<double>& to = loss.class_weights;
    const Json* value = member(key);
    if (value == nullptr || value->is_null()) return {};
    loss.balanced = value->is_string() && value->get_ref<const std::string&>() == kBalanced;
    if (loss.balanced) return {};
    const auto most = static_cast<std::size_t>(kMaxClasses);
    const std::string expected = fmt::format("{} or a list of 1 to {} numbers", kBalanced, most);
    if (!value->is_array() || value->empty() || value->size() > most) return refuse(path_ + "." + key, expected);
    for (const Json& item : *value) {
      if (!item.is_number()) return refuse(path_ + "." + key, expected);
      to.push_back(item.get<double>());
    }
    return {};
  }
  /// Reads a list of distinct classes, ascending.
  Result<void> classes(const char* key, std::vector<std::uint32_t>& to) {
    const Json* value = member(key);
    if (value == nullptr || value->is_null()) return {};
    const std::string expected = fmt::format("a list of 1 to {} different classes", kMaxClasses);
    if (!value->is_array() || value->empty() || value->size() > static_cast<std::size_t>(kMaxClasses))
      return refuse(path_ + "." + key, expected);
    for (const Json& item : *value) {
      const bool fits = item.is_number_integer() && item >= 0 && item < kMaxClasses;
      if (!fits) return refuse(path_ + "." + key, expected);
      to.push_back(item.get<std::uint32_t>());
    }
    std::ranges::sort(to);
    if (std::ranges::adjacent_find(to) != to.end()) return refuse(path_ + "." + key, expected);
    return {};
  }
  /// Reads a map of classes to [least, most].
  Result<void> ranges(const char* key, std::vector<VolumeRange>& to) {
    const Json* value = member(key);
    if (value == nullptr || value->is_null()) return {};
    const std::string expected = "a map of classes to [least, most]";
    if (!value->is_object() || value->size() > static_cast<std::size_t>(kMaxClasses))
      return refuse(path_ + "." + key, expected);
    for (const auto& [name, range] : value->items()) {
      VolumeRange one;
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), one.of_class);
      const bool pair = range.is_array() && range.size() == 2 && range[0].is_number() && range[1].is_number();
      if (error != std::errc() || end != name.data() + name.size() || !pair) return refuse(path_ + "." + key, expected);
      one.least = range[0].get<double>();
      one.most = range[1].get<double>();
      to.push_back(one);
    }
    std::ranges::sort(to, {}, &VolumeRange::of_class);
    if (std::ranges::adjacent_find(to, {}, &VolumeRange::of_class) != to.end())
      return refuse(path_ + "." + key, expected + ", each class once");
    return {};
  }
  /// Returns the part of the object under a key, or nullopt if it is absent.
  [[nodiscard]] std::optional<Reader> part(const char* key) {
    const Json* value = member(key);
    if (value == nullptr || value->is_null()) return std::nullopt;
    return Reader(*value, path_ + "." + key);
  }
  [[nodiscard]] bool is_object() const { return json_.is_object(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  Result<void> done(std::string_view name) const {
    if (!json_.is_object() || json_.size() == read_.size()) return {};
    for (const auto& [key, value] : json_.items()) {
      bool known = false;
      for (const std::string_view read : read_) known = known || key == read;
      if (!known) return fail(ErrorCode::kInvalidArgument, fmt::format("{}.{}: {} has no such key", path_, key, name));
    }
    return {};
  }

 private:
  const Json* member(const char* key) {
    const auto found = json_.is_object() ? json_.find(key) : json_.end();
    if (found == json_.end()) return nullptr;
    read_.emplace_back(key);
    return &*found;
  }

  const Json& json_;
  std::string path_;
  std::vector<std::string_view> read_;
};

bool is_scored(TaskKind kind) { return kind == TaskKind::kClassification || kind == TaskKind::kMultiLabel; }

Json weights_json(const LossSpec& loss) {
  if (loss.balanced) return kBalanced;
  return loss.class_weights.empty() ? Json() : Json(loss.class_weights);
}

constexpr std::array kFlipWords{"depth", "vertical", "horizontal"};

Result<Postprocess> read_postprocess(Reader reader) {
  Postprocess rules;
  if (!reader.is_object()) return refuse(reader.path(), "a map");
  CONSILIUM_TRY(reader.classes("largest_component", rules.largest_component));
  CONSILIUM_TRY(reader.classes("fill_holes", rules.fill_holes));
  CONSILIUM_TRY(reader.done("postprocess"));
  return rules;
}

}  // namespace

Json to_json(const TaskSpec& task) {
  Json json{{"name", name_of(task.kind)}};
  if (is_scored(task.kind)) {
    json["threshold"] = task.threshold;
    json["calibration_bins"] = task.calibration_bins;
  }
  // Left out if empty, so that jobs older than this key keep their digests.
  if (!task.postprocess.largest_component.empty())
    json["postprocess"]["largest_component"] = task.postprocess.largest_component;
  if (!task.postprocess.fill_holes.empty()) json["postprocess"]["fill_holes"] = task.postprocess.fill_holes;
  return json;
}

Json to_json(const LossSpec& loss, TaskKind task) {
  LossSpec plain;
  plain.kind = loss.kind;
  if (loss == plain) return name_of(loss.kind);
  const LossKeys keys = keys_of(loss.kind, task);
  Json json{{"name", name_of(loss.kind)}};
  if (keys.class_weights) json["class_weights"] = weights_json(loss);
  if (keys.label_smoothing) json["label_smoothing"] = loss.label_smoothing;
  if (keys.gamma) json["gamma"] = loss.gamma;
  if (keys.alpha) json["alpha"] = loss.alpha;
  if (keys.dice_weight) json["dice_weight"] = loss.dice_weight;
  // Defaults are left out, so that jobs older than these keys keep their digests.
  if (keys.anatomy && loss.boundary_weight > 0.0) json["boundary_weight"] = loss.boundary_weight;
  if (keys.anatomy && loss.volume_weight > 0.0) {
    json["volume_weight"] = loss.volume_weight;
    for (const VolumeRange& range : loss.volumes)
      json["volumes"][std::to_string(range.of_class)] = {range.least, range.most};
  }
  return json;
}

Result<TaskSpec> task_from_json(const Json& json) {
  Reader reader(json, "task");
  CONSILIUM_ASSIGN(const TaskKind kind, reader.kind(kTasks));
  TaskSpec task = default_task(kind);
  if (is_scored(kind)) {
    CONSILIUM_TRY(reader.number("threshold", task.threshold));
    CONSILIUM_TRY(reader.integer("calibration_bins", task.calibration_bins, kMaxCalibrationBins));
  }
  if (kind == TaskKind::kSegmentation) {
    if (auto part = reader.part("postprocess")) {
      CONSILIUM_ASSIGN(task.postprocess, read_postprocess(*std::move(part)));
    }
  }
  CONSILIUM_TRY(reader.done(name_of(kind)));
  CONSILIUM_TRY(check(task));
  return task;
}

Result<LossSpec> loss_from_json(const Json& json, const TaskSpec& task, std::uint64_t classes) {
  Reader reader(json, "training.loss");
  CONSILIUM_ASSIGN(const LossKind kind, reader.kind(kLosses));
  LossSpec loss;
  loss.kind = kind;
  const LossKeys keys = keys_of(kind, task.kind);
  if (keys.class_weights) CONSILIUM_TRY(reader.class_weights(loss));
  if (keys.label_smoothing) CONSILIUM_TRY(reader.number("label_smoothing", loss.label_smoothing));
  if (keys.gamma) CONSILIUM_TRY(reader.number("gamma", loss.gamma));
  if (keys.alpha) CONSILIUM_TRY(reader.number("alpha", loss.alpha));
  if (keys.dice_weight) CONSILIUM_TRY(reader.number("dice_weight", loss.dice_weight));
  if (keys.anatomy) {
    CONSILIUM_TRY(reader.number("boundary_weight", loss.boundary_weight));
    CONSILIUM_TRY(reader.number("volume_weight", loss.volume_weight));
    CONSILIUM_TRY(reader.ranges("volumes", loss.volumes));
  }
  CONSILIUM_TRY(check(loss, task, classes));
  CONSILIUM_TRY(reader.done(name_of(kind)));
  return loss;
}

Json to_json(const Augment& augment) {
  Json json = Json::object();
  for (std::size_t axis = 0; axis < kFlipWords.size(); ++axis)
    if (augment.flip[axis]) json["flip"].push_back(kFlipWords[axis]);
  for (const auto& [key, value] : {std::pair{"rotate", augment.rotate},
                                   {"scale", augment.scale},
                                   {"shift", augment.shift},
                                   {"elastic", augment.elastic},
                                   {"intensity", augment.intensity},
                                   {"noise", augment.noise}}) {
    if (value != 0.0) json[key] = value;
  }
  return json;
}

Result<Augment> augment_from_json(const Json& json) {
  Augment augment;
  Reader reader(json, "augment");
  if (!reader.is_object()) return refuse("augment", "a map");
  CONSILIUM_TRY(reader.words("flip", kFlipWords, augment.flip));
  CONSILIUM_TRY(reader.number("rotate", augment.rotate, 180.0));
  CONSILIUM_TRY(reader.number("scale", augment.scale, 1.0));
  CONSILIUM_TRY(reader.number("shift", augment.shift, 0.5));
  CONSILIUM_TRY(reader.number("elastic", augment.elastic, 1000.0));
  CONSILIUM_TRY(reader.number("intensity", augment.intensity, 1.0));
  CONSILIUM_TRY(reader.number("noise", augment.noise, 1.0));
  CONSILIUM_TRY(reader.done("augment"));
  return augment;
}

}  // namespace consilium::task
