#include "client/trainer/data/label_table.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <set>
#include <utility>

#include "client/trainer/data/boxes_file.h"
#include "client/trainer/data/csv_table.h"

namespace consilium::data {
namespace {

constexpr unsigned kMaxClassNumber = 65535;

TargetKind kind_of(const trainer::LabelSource& labels) {
  if (!labels.columns.empty()) return TargetKind::kLabels;
  if (!labels.mask.empty() || !labels.masks.empty()) return TargetKind::kMask;
  return labels.boxes.empty() ? TargetKind::kClass : TargetKind::kBoxes;
}

/// The indices in the table of the columns that a description names.
struct Columns {
  std::size_t key = 0;
  std::optional<std::size_t> patient, split, class_label, mask;
  std::vector<std::size_t> labels;
};

Result<void> find(const CsvTable& table, const std::string& name, std::optional<std::size_t>& to) {
  if (name.empty()) return {};
  CONSILIUM_ASSIGN(to, table.column(name));
  return {};
}

Result<Columns> find_columns(const CsvTable& table, const trainer::DataSource& source) {
  Columns columns;
  CONSILIUM_ASSIGN(columns.key, table.column(source.labels.key));
  CONSILIUM_TRY(find(table, source.split.patient, columns.patient));
  CONSILIUM_TRY(find(table, source.split.column, columns.split));
  CONSILIUM_TRY(find(table, source.labels.class_column, columns.class_label));
  CONSILIUM_TRY(find(table, source.labels.mask, columns.mask));
  for (const std::string& name : source.labels.columns) {
    CONSILIUM_ASSIGN(const std::size_t column, table.column(name));
    columns.labels.push_back(column);
  }
  return columns;
}

std::optional<unsigned> number_in(std::string_view cell) {
  unsigned number = 0;
  const auto [end, fault] = std::from_chars(cell.data(), cell.data() + cell.size(), number);
  if (fault != std::errc() || end != cell.data() + cell.size()) return std::nullopt;
  return number;
}

Result<ClassLabel> class_in(std::string_view cell, const std::vector<std::string>& classes) {
  const auto found = std::find(classes.begin(), classes.end(), cell);
  if (found != classes.end()) return ClassLabel{static_cast<std::uint16_t>(found - classes.begin())};
  const auto number = number_in(cell);
  if (classes.empty() && number && *number <= kMaxClassNumber) return ClassLabel{static_cast<std::uint16_t>(*number)};
  return refuse(
      classes.empty()
          ? std::string("expected a class as a number from 0; if the classes are words, list them in labels.classes")
          : fmt::format("expected one of labels.classes: {}", fmt::join(classes, ", ")));
}

Result<LabelVector> labels_in(const CsvTable& table, std::size_t row, const Columns& columns) {
  LabelVector labels;
  for (const std::size_t column : columns.labels) {
    const std::string_view cell = table.cell(row, column);
    if (cell != "0" && cell != "1") return refuse(fmt::format("column '{}': expected 0 or 1", table.header()[column]));
    labels.values.push_back(cell == "1" ? 1 : 0);
  }
  return labels;
}

Result<ListedTarget> target_in(const CsvTable& table, std::size_t row, const Columns& columns,
                               const DatasetFolder& folder, const std::vector<std::string>& classes) {
  if (columns.mask) {
    auto file = folder.resolve(table.cell(row, *columns.mask));
    if (!file) return fail(file.error().within(fmt::format("column '{}'", table.header()[*columns.mask])));
    return ListedTarget(MaskFile{std::move(*file)});
  }
  if (!columns.labels.empty()) {
    CONSILIUM_ASSIGN(LabelVector labels, labels_in(table, row, columns));
    return ListedTarget(std::move(labels));
  }
  if (!columns.class_label) return ListedTarget(ClassLabel{});
  auto label = class_in(table.cell(row, *columns.class_label), classes);
  if (!label) return fail(label.error().within(fmt::format("column '{}'", table.header()[*columns.class_label])));
  return ListedTarget(*label);
}

Result<LabelTable::Row> read_row(const CsvTable& table, std::size_t at, const Columns& columns,
                                 const DatasetFolder& folder, const std::vector<std::string>& classes) {
  LabelTable::Row row;
  row.key = table.cell(at, columns.key);
  row.origin = table.place(at);
  if (row.key.empty()) return refuse(fmt::format("column '{}': empty", table.header()[columns.key]));
  if (columns.patient) {
    row.patient = table.cell(at, *columns.patient);
    if (row.patient.empty()) return refuse(fmt::format("column '{}': empty", table.header()[*columns.patient]));
  }
  if (columns.split) {
    row.split = split_named(table.cell(at, *columns.split));
    if (!row.split)
      return refuse(fmt::format("column '{}': expected train, val or test", table.header()[*columns.split]));
  }
  CONSILIUM_ASSIGN(row.target, target_in(table, at, columns, folder, classes));
  return row;
}

}  // namespace

std::optional<job::Split> split_named(std::string_view text) {
  std::string word(text);
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (word == "train" || word == "training") return job::Split::kTrain;
  if (word == "val" || word == "valid" || word == "validation") return job::Split::kVal;
  if (word == "test") return job::Split::kTest;
  return std::nullopt;
}

Result<void> LabelTable::read_rows(const DatasetFolder& folder, const trainer::DataSource& source) {
  auto file = folder.resolve(source.labels.table);
  if (!file) return fail(file.error().within("labels.table"));
  CONSILIUM_ASSIGN(const CsvTable table, CsvTable::read(*file));
  CONSILIUM_ASSIGN(const Columns columns, find_columns(table, source));
  has_table_ = true;
  for (std::size_t at = 0; at < table.rows(); ++at) {
    auto row = read_row(table, at, columns, folder, classes_);
    if (!row) return fail(row.error().within(table.place(at)));
    const auto [earlier, fresh] = by_key_.emplace(row->key, rows_.size());
    if (!fresh)
      return refuse(fmt::format("{}: column '{}': this value is already in {}", table.place(at), source.labels.key,
                                rows_[earlier->second].origin));
    rows_.push_back(std::move(*row));
  }
  return {};
}

Result<LabelTable> LabelTable::read(const DatasetFolder& folder, const trainer::DataSource& source) {
  const trainer::LabelSource& labels = source.labels;
  LabelTable table;
  table.kind_ = kind_of(labels);
  table.classes_ = labels.columns.empty() ? labels.classes : labels.columns;
  if (!labels.table.empty()) CONSILIUM_TRY(table.read_rows(folder, source));
  if (!labels.boxes.empty()) {
    auto file = folder.resolve(labels.boxes);
    if (!file) return fail(file.error().within("labels.boxes"));
    CONSILIUM_ASSIGN(table.boxes_, read_boxes(*file, table.classes_));
  }
  if (!labels.masks.empty()) {
    table.mask_folder_ = true;
    CONSILIUM_ASSIGN(const auto names, folder.list(labels.masks, {}));
    for (const std::string& name : names) {
      if (!table.masks_.emplace(stem_of(name), folder.path() / name).second)
        return refuse(fmt::format("labels.masks: two masks have the name '{}'", stem_of(name)));
    }
  }
  return table;
}

const LabelTable::Row* LabelTable::find(std::string_view key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &rows_[found->second];
}

Result<void> LabelTable::label(std::string_view key, std::string_view file, Item& item) const {
  if (has_table_) {
    const Row* row = find(key);
    if (row == nullptr) return fail(ErrorCode::kNotFound, "the table has no row for it");
    item.origin = row->origin;
    item.target = row->target;
    if (!row->patient.empty()) item.patient = row->patient;
    if (row->split) item.split = *row->split;
  }
  if (boxes_) {
    auto found = boxes_->find(file);
    if (found == boxes_->end()) found = boxes_->find(std::filesystem::path(file).filename().string());
    if (found == boxes_->end()) return fail(ErrorCode::kNotFound, "the boxes' file doesn't name it");
    item.target = found->second;
  }
  if (mask_folder_) {
    const auto found = masks_.find(stem_of(file));
    if (found == masks_.end()) return fail(ErrorCode::kNotFound, "there is no mask with its name");
    item.target = MaskFile{found->second};
  }
  return {};
}

}  // namespace consilium::data
