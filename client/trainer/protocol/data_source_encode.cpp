#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "client/trainer/protocol/data_source.h"
#include "common/task/task_json.h"

namespace consilium::trainer {
namespace {

using nlohmann::json;

/// Adds a member unless it has the value of a default.
template <class T>
void put(json& object, const char* key, const T& value, const T& standard) {
  if (!(value == standard)) object[key] = value;
}

json labels_json(const LabelSource& labels) {
  constexpr const char* matches[] = {"file", "patient", "study", "series", "image"};
  const LabelSource standard;
  json object = json::object();
  put(object, "table", labels.table, standard.table);
  if (labels.match != standard.match) object["match"] = matches[static_cast<std::size_t>(labels.match)];
  put(object, "key", labels.key, standard.key);
  put(object, "class", labels.class_column, standard.class_column);
  put(object, "columns", labels.columns, standard.columns);
  put(object, "mask", labels.mask, standard.mask);
  put(object, "masks", labels.masks, standard.masks);
  put(object, "boxes", labels.boxes, standard.boxes);
  if (labels.threshold) object["threshold"] = *labels.threshold;
  put(object, "classes", labels.classes, standard.classes);
  return object;
}

json split_json(const SplitSource& split) {
  const SplitSource standard;
  json object = json::object();
  put(object, "patient", split.patient, standard.patient);
  put(object, "patient_folder", split.patient_folder, standard.patient_folder);
  put(object, "patient_before", split.patient_before, standard.patient_before);
  put(object, "column", split.column, standard.column);
  put(object, "folders", split.folders, standard.folders);
  put(object, "shares", split.shares, standard.shares);
  put(object, "seed", split.seed, standard.seed);
  return object;
}

json preprocess_json(const Preprocess& from) {
  constexpr const char* slices[] = {"none", "axial", "coronal", "sagittal"};
  constexpr const char* fits[] = {"stretch", "pad", "crop"};
  const Preprocess standard;
  json object = json::object();
  if (from.slices != standard.slices) object["slices"] = slices[static_cast<std::size_t>(from.slices)];
  if (from.crop) object["crop"] = *from.crop;
  put(object, "crop_margin", from.crop_margin, standard.crop_margin);
  if (from.window) object["window"] = {{"low", (*from.window)[0]}, {"high", (*from.window)[1]}};
  put(object, "spacing", from.spacing, standard.spacing);
  put(object, "size", from.size, standard.size);
  // The default depends on spacing, so `fit` is written whenever anything else is.
  if (!(from == standard)) object["fit"] = fits[static_cast<std::size_t>(from.fit)];
  if (from.normalise == Preprocess::Normalise::kImage) object["normalise"] = "image";
  if (from.normalise == Preprocess::Normalise::kSite) object["normalise"] = "site";
  if (from.normalise == Preprocess::Normalise::kFixed) object["normalise"] = {{"mean", from.mean}, {"std", from.std}};
  if (!from.patch.empty())
    object["patches"] = {
        {"size", from.patch}, {"per_item", from.patches_per_item}, {"foreground", from.patch_foreground}};
  return object;
}

json loading_json(const Loading& from) {
  const Loading standard;
  json object = json::object();
  put(object, "cache", from.cache_bytes, standard.cache_bytes);
  put(object, "threads", from.threads, standard.threads);
  put(object, "unreadable", from.unreadable, standard.unreadable);
  return object;
}

}  // namespace

json to_json(const DataSource& source) {
  json object{{"type", source.type}, {"path", source.path}};
  for (auto& [key, part] : {std::pair<const char*, json>{"labels", labels_json(source.labels)},
                            {"split", split_json(source.split)},
                            {"preprocess", preprocess_json(source.preprocess)},
                            {"augment", task::to_json(source.augment)},
                            {"loading", loading_json(source.loading)}}) {
    if (!part.empty()) object[key] = part;
  }
  return object;
}

}  // namespace consilium::trainer
