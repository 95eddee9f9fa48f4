#include "common/task/task_json.h"

#include <spdlog/fmt/fmt.h>

#include <array>
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

/// Reads the keys of a name or a map; done() refuses keys that nobody asked for.
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
  /// Leaves `to` as it is where the key is absent or null.
  Result<void> number(const char* key, double& to) {
    const Json* value = member(key);
    if (value == nullptr || value->is_null()) return {};
    if (!value->is_number()) return refuse(path_ + "." + key, "a number");
    to = value->get<double>();
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

}  // namespace

Json to_json(const TaskSpec& task) {
  Json json{{"name", name_of(task.kind)}};
  if (is_scored(task.kind)) {
    json["threshold"] = task.threshold;
    json["calibration_bins"] = task.calibration_bins;
  }
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
  CONSILIUM_TRY(check(loss, task, classes));
  CONSILIUM_TRY(reader.done(name_of(kind)));
  return loss;
}

}  // namespace consilium::task
