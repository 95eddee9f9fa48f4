#include "client/trainer/inspect.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>
#include <vector>

#include "client/trainer/data/contact_sheet.h"
#include "client/trainer/data/readers.h"
#include "client/trainer/data/survey.h"
#include "client/trainer/data_summary.h"
#include "client/trainer/described_data.h"
#include "common/files/files.h"

namespace consilium::trainer {
namespace {

using data::Survey;
using nlohmann::json;

constexpr std::array<std::string_view, 3> kSplits{"train", "val", "test"};
constexpr std::size_t kMostListed = 20;

json range_json(const data::Range& range) { return range.seen ? json::array({range.low, range.high}) : json(nullptr); }

std::size_t unreadable_in(const Survey& survey) {
  return static_cast<std::size_t>(std::count_if(survey.left_out.begin(), survey.left_out.end(),
                                                [](const data::LeftOut& one) { return !one.unlabelled; }));
}

std::size_t items_in(const Survey& survey) {
  return survey.splits[0].items + survey.splits[1].items + survey.splits[2].items;
}

json survey_json(const Survey& survey) {
  json splits = json::object();
  for (std::size_t i = 0; i < kSplits.size(); ++i) {
    const Survey::Split& split = survey.splits[i];
    splits[std::string(kSplits[i])] = {{"items", split.items},
                                       {"patients", split.patients},
                                       {"class_items", split.class_items},
                                       {"class_parts", split.class_parts}};
  }
  json shapes = json::array(), equal = json::array(), left_out = json::array();
  for (const auto& [shape, count] : survey.shapes) shapes.push_back({{"shape", shape}, {"items", count}});
  for (const Survey::Equal& one : survey.equal)
    equal.push_back({{"first", one.first}, {"second", one.second}, {"across_splits", one.across_splits}});
  for (const data::LeftOut& one : survey.left_out)
    left_out.push_back({{"file", one.id}, {"why", one.why}, {"unlabelled", one.unlabelled}});
  json spacing = json::array();
  for (const data::Range& range : survey.spacing) spacing.push_back(range_json(range));
  return {{"target", data::name_of(survey.kind)},
          {"classes", survey.classes},
          {"splits", splits},
          {"shapes", shapes},
          {"spacing", spacing},
          {"without_spacing", survey.without_spacing},
          {"values", range_json(survey.values)},
          {"equal", equal},
          {"left_out", left_out}};
}

std::string class_name(const Survey& survey, std::size_t index) {
  return index < survey.classes.size() ? survey.classes[index] : fmt::format("{}", index);
}

void print_split(const Survey& survey, std::size_t index) {
  const Survey::Split& split = survey.splits[index];
  fmt::print("{:>5}: {} items of {} patients\n", kSplits[index], split.items, split.patients);
  for (std::size_t i = 0; i < split.class_items.size(); ++i) {
    fmt::print("         {} {}: {} items", survey.kind == data::TargetKind::kLabels ? "label" : "class",
               class_name(survey, i), split.class_items[i]);
    if (i < split.class_parts.size())
      fmt::print(", {} {}", split.class_parts[i], survey.kind == data::TargetKind::kMask ? "pixels" : "boxes");
    fmt::print("\n");
  }
}

void print_spacing(const Survey& survey) {
  if (!survey.spacing[2].seen) return;
  constexpr std::array<std::string_view, 3> names{"depth", "height", "width"};
  fmt::print("spacing in mm:");
  for (std::size_t axis = 0; axis < names.size(); ++axis)
    fmt::print(" {} {:.4g} to {:.4g}{}", names[axis], survey.spacing[axis].low, survey.spacing[axis].high,
               axis == 2 ? "" : ",");
  fmt::print("; {} items have none\n", survey.without_spacing);
}

/// Prints the first entries of a long list, and how many more there are.
template <class List, class Line>
void print_some(const List& list, Line line) {
  std::size_t shown = 0;
  for (const auto& one : list) {
    if (shown++ == kMostListed) {
      fmt::print("  and {} more (--json lists all)\n", list.size() - kMostListed);
      return;
    }
    fmt::print("  {}\n", line(one));
  }
}

void print_survey(const DataSource& source, const Survey& survey) {
  fmt::print("{} ({}), targets: {}\n", source.path, source.type, data::name_of(survey.kind));
  for (std::size_t i = 0; i < kSplits.size(); ++i) print_split(survey, i);
  std::vector<std::pair<std::uint64_t, std::vector<std::int64_t>>> shapes;
  for (const auto& [shape, count] : survey.shapes) shapes.emplace_back(count, shape);
  std::sort(shapes.rbegin(), shapes.rend());
  fmt::print("shapes, channels first:\n");
  print_some(shapes,
             [](const auto& one) { return fmt::format("[{}]: {} items", fmt::join(one.second, ", "), one.first); });
  print_spacing(survey);
  if (survey.values.seen) fmt::print("values: {} to {}\n", survey.values.low, survey.values.high);
  if (!survey.equal.empty()) {
    fmt::print("equal images: {}\n", survey.equal.size());
    print_some(survey.equal, [](const Survey::Equal& one) {
      return fmt::format("{} and {}{}", one.first, one.second, one.across_splits ? ", in two splits" : "");
    });
  }
  if (!survey.left_out.empty()) {
    fmt::print("left out: {} files, {} of them unreadable\n", survey.left_out.size(), unreadable_in(survey));
    print_some(survey.left_out, [](const data::LeftOut& one) { return fmt::format("{}: {}", one.id, one.why); });
  }
}

Result<void> check_share(const DataSource& source, const Survey& survey) {
  const std::size_t unreadable = unreadable_in(survey), all = items_in(survey) + unreadable;
  if (static_cast<double>(unreadable) <= source.loading.unreadable * static_cast<double>(all)) return {};
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("{}: {} of {} files can't be read, which is more than the share of {} that loading.unreadable allows",
                  source.path, unreadable, all, source.loading.unreadable));
}

Result<void> write_sheet(const std::filesystem::path& file, const data::Collection& collection,
                         const DataSource& source) {
  CONSILIUM_ASSIGN(const std::string png, data::to_png(data::contact_sheet(collection, source)));
  return files::replace_file(file, std::as_bytes(std::span(png)), files::Access::kOwner);
}

Result<void> inspect_arrays(const DataSource& source, bool as_json) {
  CONSILIUM_ASSIGN(const DataSummary summary, summarise(source));
  if (as_json) {
    json splits = json::object();
    for (const DataSummary::Split& split : summary.splits) {
      splits[split.name] = {{"examples", split.examples}, {"class_examples", split.class_examples}};
    }
    const json record{{"input", summary.input},
                      {"target", data::name_of(summary.target)},
                      {"classes", summary.classes},
                      {"values", summary.bytes ? "uint8" : "float32"},
                      {"splits", splits}};
    fmt::print("{}\n", record.dump());
    return {};
  }
  fmt::print("{}\nfits model: {{..., input: [{}], classes: {}}}; values: {}\n", source.path,
             fmt::join(summary.input, ", "), summary.classes,
             summary.bytes ? "uint8, divided by 255" : "float32, taken as they are");
  const std::string_view by = summary.target == data::TargetKind::kClass    ? "by class"
                              : summary.target == data::TargetKind::kLabels ? "with each label"
                                                                            : "whose mask holds each class";
  for (const DataSummary::Split& split : summary.splits) {
    fmt::print("{:>5}: {} examples; {}: {}\n", split.name, split.examples, by, fmt::join(split.class_examples, " "));
  }
  return {};
}

}  // namespace

Result<DataSource> data_source_of(const InspectOptions& options) {
  if (options.description.empty()) return data_source_of(options.data);
  const json description = json::parse(options.description, nullptr, false);
  if (description.is_discarded()) return fail(ErrorCode::kInvalidArgument, "--description: isn't valid JSON");
  auto read = data_source_from_json(description);
  if (!read) return fail(read.error().within("--description"));
  return read;
}

Result<void> run_inspect(const InspectOptions& options, std::shared_ptr<data::ImageDecoder> decoder) {
  CONSILIUM_ASSIGN(const DataSource source, data_source_of(options));
  if (find_data_type(source.type)->arrays && !options.sheet) return inspect_arrays(source, options.json);
  CONSILIUM_ASSIGN(const data::Collection collection, data::list_items(source, std::move(decoder)));
  const Survey survey = data::survey(collection, source, options.threads);
  if (options.json) {
    fmt::print("{}\n", survey_json(survey).dump(-1, ' ', false, json::error_handler_t::replace));
  } else {
    print_survey(source, survey);
  }
  if (options.sheet) CONSILIUM_TRY(write_sheet(*options.sheet, collection, source));
  return check_share(source, survey);
}

}  // namespace consilium::trainer
