#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "client/trainer/protocol/data_source.h"
#include "client/trainer/protocol/record_limits.h"
#include "common/model/json_value.h"
#include "common/task/task_json.h"

namespace consilium::trainer {
namespace {

using model::JsonValue;
using nlohmann::json;

constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMaxColumns = 1024;
constexpr std::int64_t kMaxSide = 1 << 16;
constexpr double kLargest = 1e9;

template <class Enum>
using Words = std::vector<std::pair<std::string_view, Enum>>;

const Words<LabelSource::Match> kMatches{{"file", LabelSource::Match::kFile},
                                         {"patient", LabelSource::Match::kPatient},
                                         {"study", LabelSource::Match::kStudy},
                                         {"series", LabelSource::Match::kSeries},
                                         {"image", LabelSource::Match::kImage}};
const Words<Preprocess::Slices> kSlices{{"none", Preprocess::Slices::kNone},
                                        {"axial", Preprocess::Slices::kAxial},
                                        {"coronal", Preprocess::Slices::kCoronal},
                                        {"sagittal", Preprocess::Slices::kSagittal}};
const Words<Preprocess::Fit> kFits{
    {"stretch", Preprocess::Fit::kStretch}, {"pad", Preprocess::Fit::kPad}, {"crop", Preprocess::Fit::kCrop}};

/// Reads the members of one object into fields; fields of absent members keep their values. The first error is kept.
class Members {
 public:
  Members(const JsonValue& value, std::vector<std::string_view> known) : value_(value) {
    take(value_.check_keys(known));
  }

  [[nodiscard]] const Result<void>& result() const { return result_; }
  [[nodiscard]] bool has(std::string_view key) const { return result_ && value_.has(key); }
  [[nodiscard]] JsonValue at(std::string_view key) const { return value_.member(key); }
  void take(const Result<void>& result) {
    if (result_ && !result) result_ = result;
  }

  void text(std::string_view key, std::string& to, std::size_t most = kMaxName) {
    if (has(key)) take(read_text(at(key), to, most));
  }
  void flag(std::string_view key, bool& to) {
    if (!has(key)) return;
    if (!at(key).json.is_boolean()) return take(at(key).expected("true or false"));
    to = at(key).json.get<bool>();
  }
  void number(std::string_view key, double& to, double low, double high) {
    if (has(key)) take(read_number(at(key), to, low, high));
  }
  template <class Integer>
  void integer(std::string_view key, Integer& to, std::int64_t low, std::int64_t high) {
    if (!has(key)) return;
    const auto read = at(key).integer(low, high);
    if (!read) return take(fail(read.error()));
    to = static_cast<Integer>(*read);
  }
  void texts(std::string_view key, std::vector<std::string>& to, std::size_t most) {
    list(key, 1, most, [&](const JsonValue& one) -> Result<void> {
      std::string text;
      CONSILIUM_TRY(read_text(one, text, kMaxName));
      if (std::find(to.begin(), to.end(), text) != to.end()) return one.refuse("is listed twice");
      to.push_back(std::move(text));
      return {};
    });
  }
  void numbers(std::string_view key, std::vector<double>& to, std::size_t least, std::size_t most, double low,
               double high) {
    list(key, least, most, [&](const JsonValue& one) -> Result<void> {
      double number = 0.0;
      CONSILIUM_TRY(read_number(one, number, low, high));
      to.push_back(number);
      return {};
    });
  }
  void sides(std::string_view key, std::vector<std::int64_t>& to) {
    list(key, 2, 3, [&](const JsonValue& one) -> Result<void> {
      CONSILIUM_ASSIGN(const std::int64_t side, one.integer(1, kMaxSide));
      to.push_back(side);
      return {};
    });
  }
  template <class Enum>
  void choice(std::string_view key, Enum& to, const Words<Enum>& words) {
    if (has(key)) take(read_choice(at(key), to, words));
  }
  template <class Take>
  void list(std::string_view key, std::size_t least, std::size_t most, Take take_one) {
    if (!has(key)) return;
    const JsonValue value = at(key);
    if (!value.json.is_array() || value.json.size() < least || value.json.size() > most)
      return take(value.expected(least == most ? fmt::format("a list of {}", least)
                                               : fmt::format("a list of {} to {}", least, most)));
    for (std::size_t i = 0; i < value.json.size() && result_; ++i) take(take_one(value.element(i)));
  }

  template <class Enum>
  static Result<void> read_choice(const JsonValue& value, Enum& to, const Words<Enum>& words) {
    std::string known;
    for (const auto& [word, meaning] : words) {
      if (value.json.is_string() && value.json.get_ref<const std::string&>() == word) {
        to = meaning;
        return {};
      }
      known += (known.empty() ? "" : ", ") + std::string(word);
    }
    return value.expected("one of " + known);
  }

 private:
  static Result<void> read_text(const JsonValue& value, std::string& to, std::size_t most) {
    const auto* text = value.json.get_ptr<const std::string*>();
    if (text == nullptr || text->empty() || text->size() > most || text->find('\0') != std::string::npos)
      return value.expected(fmt::format("text of 1 to {} bytes (a number or true goes in quotes)", most));
    to = *text;
    return {};
  }
  static Result<void> read_number(const JsonValue& value, double& to, double low, double high) {
    if (value.json.is_number()) {
      const auto number = value.json.get<double>();
      if (std::isfinite(number) && number >= low && number <= high) {
        to = number;
        return {};
      }
    }
    return value.expected(fmt::format("a number from {} to {}", low, high));
  }

  JsonValue value_;
  Result<void> result_;
};

Result<void> read_labels(const JsonValue& value, LabelSource& labels) {
  Members members(value,
                  {"table", "match", "key", "class", "columns", "mask", "masks", "boxes", "threshold", "classes"});
  members.text("table", labels.table, kMaxPathBytes);
  members.choice("match", labels.match, kMatches);
  members.text("key", labels.key);
  members.text("class", labels.class_column);
  members.texts("columns", labels.columns, kMaxColumns);
  members.text("mask", labels.mask);
  members.text("masks", labels.masks, kMaxPathBytes);
  members.text("boxes", labels.boxes, kMaxPathBytes);
  if (members.has("threshold")) members.number("threshold", labels.threshold.emplace(0.0), -kLargest, kLargest);
  members.texts("classes", labels.classes, kMaxClasses);
  CONSILIUM_TRY(members.result());
  const int kinds = static_cast<int>(!labels.class_column.empty()) + static_cast<int>(!labels.columns.empty()) +
                    static_cast<int>(!labels.mask.empty() || !labels.masks.empty()) +
                    static_cast<int>(!labels.boxes.empty());
  if (kinds > 1 || (!labels.mask.empty() && !labels.masks.empty()))
    return value.refuse("expected one of class, columns, mask, masks and boxes, found several");
  const bool column = !labels.class_column.empty() || !labels.columns.empty() || !labels.mask.empty();
  if (column && labels.table.empty()) return value.refuse("names a column, so 'table' is needed beside it");
  return {};
}

Result<void> read_split(const JsonValue& value, SplitSource& split) {
  Members members(value, {"patient", "patient_folder", "patient_before", "column", "folders", "shares", "seed"});
  members.text("patient", split.patient);
  members.flag("patient_folder", split.patient_folder);
  members.text("patient_before", split.patient_before);
  members.text("column", split.column);
  members.flag("folders", split.folders);
  std::vector<double> shares;
  members.numbers("shares", shares, 3, 3, 0.0, 1.0);
  members.integer("seed", split.seed, 0, std::int64_t{1} << 62);
  CONSILIUM_TRY(members.result());
  if (static_cast<int>(!split.column.empty()) + static_cast<int>(split.folders) + static_cast<int>(!shares.empty()) > 1)
    return value.refuse("expected one of column, folders and shares, found several");
  if (static_cast<int>(!split.patient.empty()) + static_cast<int>(split.patient_folder) +
          static_cast<int>(!split.patient_before.empty()) >
      1)
    return value.refuse("expected one of patient, patient_folder and patient_before, found several");
  if (shares.empty()) return {};
  if (shares[0] <= 0.0 || std::abs(shares[0] + shares[1] + shares[2] - 1.0) > 1e-6)
    return value.member("shares").refuse("expected three shares that add up to 1, the first above 0");
  std::copy(shares.begin(), shares.end(), split.shares.begin());
  return {};
}

Result<void> read_window(const JsonValue& value, Preprocess& to) {
  Members members(value, {"low", "high", "center", "width"});
  std::array<double, 2> ends{}, middle{};
  members.number("low", ends[0], -kLargest, kLargest);
  members.number("high", ends[1], -kLargest, kLargest);
  members.number("center", middle[0], -kLargest, kLargest);
  members.number("width", middle[1], 1e-6, kLargest);
  CONSILIUM_TRY(members.result());
  const bool by_ends = members.has("low") && members.has("high"),
             by_middle = members.has("center") && members.has("width");
  if (value.json.size() != 2 || by_ends == by_middle) return value.refuse("expected low and high, or center and width");
  to.window = by_ends ? ends : std::array{middle[0] - middle[1] / 2, middle[0] + middle[1] / 2};
  const auto [low, high] = *to.window;
  if (low < high && low >= -kLargest && high <= kLargest) return {};
  return value.refuse(fmt::format("expected low below high, both from {} to {}", -kLargest, kLargest));
}

Result<void> read_normalise(const JsonValue& value, Preprocess& to) {
  if (!value.json.is_object()) {
    const Words<Preprocess::Normalise> words{{"none", Preprocess::Normalise::kNone},
                                             {"image", Preprocess::Normalise::kImage},
                                             {"site", Preprocess::Normalise::kSite}};
    return Members::read_choice(value, to.normalise, words);
  }
  Members members(value, {"mean", "std"});
  members.numbers("mean", to.mean, 1, kMaxChannels, -kLargest, kLargest);
  members.numbers("std", to.std, 1, kMaxChannels, 1e-12, kLargest);
  CONSILIUM_TRY(members.result());
  if (to.mean.empty() || to.mean.size() != to.std.size())
    return value.refuse("expected mean and std of the same length");
  to.normalise = Preprocess::Normalise::kFixed;
  return {};
}

Result<void> read_patches(const JsonValue& value, Preprocess& to) {
  Members members(value, {"size", "per_item", "foreground"});
  members.sides("size", to.patch);
  members.integer("per_item", to.patches_per_item, 1, 10000);
  members.number("foreground", to.patch_foreground, 0.0, 1.0);
  CONSILIUM_TRY(members.result());
  return to.patch.empty() ? Result<void>(value.refuse("size: missing, expected a list of 2 to 3")) : Result<void>();
}

Result<void> read_preprocess(const JsonValue& value, Preprocess& to) {
  Members members(value, {"slices", "crop", "crop_margin", "window", "spacing", "size", "fit", "normalise", "patches"});
  members.choice("slices", to.slices, kSlices);
  if (members.has("crop")) members.number("crop", to.crop.emplace(0.0), -kLargest, kLargest);
  members.integer("crop_margin", to.crop_margin, 0, kMaxSide);
  if (members.has("window")) members.take(read_window(members.at("window"), to));
  members.numbers("spacing", to.spacing, 2, 3, 1e-3, 1e3);
  members.sides("size", to.size);
  to.fit = to.spacing.empty() ? Preprocess::Fit::kStretch : Preprocess::Fit::kCrop;
  members.choice("fit", to.fit, kFits);
  if (members.has("normalise")) members.take(read_normalise(members.at("normalise"), to));
  if (members.has("patches")) members.take(read_patches(members.at("patches"), to));
  CONSILIUM_TRY(members.result());
  std::vector<std::size_t> ranks;
  for (const std::size_t rank : {to.spacing.size(), to.size.size(), to.patch.size()})
    if (rank != 0) ranks.push_back(rank);
  if (std::adjacent_find(ranks.begin(), ranks.end(), std::not_equal_to<>()) != ranks.end())
    return value.refuse("expected the same number of dimensions in spacing, size and patches.size");
  if (to.slices != Preprocess::Slices::kNone && !ranks.empty() && ranks[0] != 2)
    return value.refuse("slices have two dimensions, so spacing, size and patches.size need two numbers each");
  return {};
}

Result<void> read_loading(const JsonValue& value, Loading& to) {
  Members members(value, {"cache", "threads", "unreadable"});
  members.integer("cache", to.cache_bytes, 0, std::int64_t{1} << 50);
  members.integer("threads", to.threads, 1, 64);
  members.number("unreadable", to.unreadable, 0.0, 1.0);
  return members.result();
}

/// Checks the rules that concern several parts of the description.
Result<void> check_type(const JsonValue& value, const DataSource& source) {
  const DataType& type = *find_data_type(source.type);
  for (const std::string_view key : {"labels", "split"}) {
    if (!type.labels && value.has(key))
      return value.member(key).refuse(
          fmt::format("type {} has its own labels and splits; leave this key out", source.type));
  }
  const LabelSource& labels = source.labels;
  if (source.type == "table" && labels.table.empty())
    return value.refuse("labels.table: missing, expected the name of a CSV file in the data set's folder");
  if (labels.match != LabelSource::Match::kFile && source.type != "dicom")
    return value.refuse("labels.match: expected file; only dicom has patient, study, series and image");
  const bool in_table = !source.split.patient.empty() || !source.split.column.empty();
  if (in_table && labels.table.empty()) return value.refuse("split: names a column, so 'labels.table' is needed");
  return {};
}

}  // namespace

Result<Preprocess> preprocess_from_json(const json& document) {
  Preprocess preprocess;
  CONSILIUM_TRY(read_preprocess(JsonValue{document, ""}, preprocess));
  return preprocess;
}

Result<DataSource> data_source_from_json(const json& document) {
  const JsonValue value{document, ""};
  Members members(value, {"type", "path", "labels", "split", "preprocess", "augment", "loading"});
  DataSource source;
  members.text("type", source.type);
  members.text("path", source.path, kMaxPathBytes);
  CONSILIUM_TRY(members.result());
  if (source.type.empty() || find_data_type(source.type) == nullptr)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("type: expected {}, found '{}'", data_type_names(), source.type));
  if (source.path.empty()) return fail(ErrorCode::kInvalidArgument, "path: missing, expected a file or folder");
  if (members.has("labels")) CONSILIUM_TRY(read_labels(members.at("labels"), source.labels));
  if (members.has("split")) CONSILIUM_TRY(read_split(members.at("split"), source.split));
  if (members.has("preprocess")) CONSILIUM_TRY(read_preprocess(members.at("preprocess"), source.preprocess));
  if (members.has("augment")) {
    CONSILIUM_ASSIGN(source.augment, task::augment_from_json(members.at("augment").json));
  }
  if (members.has("loading")) CONSILIUM_TRY(read_loading(members.at("loading"), source.loading));
  CONSILIUM_TRY(check_type(value, source));
  return source;
}

}  // namespace consilium::trainer
