#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/trainer/data/collection.h"
#include "client/trainer/data/dataset_folder.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// The labels of a site, by key. They come from the rows of a table, a boxes file, or a folder of masks.
class LabelTable {
 public:
  /// The content of one row of a table.
  struct Row {
    std::string key;
    std::string origin;  ///< "labels.csv, line 17"
    std::string patient;
    std::optional<job::Split> split;
    ListedTarget target;
  };

  /// Reads everything that `labels` and `split` name. Errors name the file, the line and the column, but quote no cell
  /// except the name of a split or a class.
  static Result<LabelTable> read(const DatasetFolder& folder, const trainer::DataSource& source);

  [[nodiscard]] TargetKind kind() const { return kind_; }
  /// Returns the names of the classes or labels; empty if they are numbers.
  [[nodiscard]] const std::vector<std::string>& classes() const { return classes_; }
  /// Returns true if a table lists the items.
  [[nodiscard]] bool has_table() const { return has_table_; }
  /// Returns the rows in the table's order; all keys are different.
  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }
  [[nodiscard]] const Row* find(std::string_view key) const;
  /// Sets the patient, split and target of an item whose file has this name: from the table's row, or from boxes or a
  /// mask that have the file's name. Fails with kNotFound if the labels say nothing about it.
  Result<void> label(std::string_view key, std::string_view file, Item& item) const;

 private:
  Result<void> read_rows(const DatasetFolder& folder, const trainer::DataSource& source);

  TargetKind kind_ = TargetKind::kClass;
  bool has_table_ = false;
  std::vector<std::string> classes_;
  std::vector<Row> rows_;
  std::map<std::string, std::size_t, std::less<>> by_key_;
  std::optional<std::map<std::string, Boxes, std::less<>>> boxes_;
  std::map<std::string, std::filesystem::path, std::less<>> masks_;  ///< by file name without extension
  bool mask_folder_ = false;
};

/// Reads "train", "val" or "validation", "test", in upper or lower case.
[[nodiscard]] std::optional<job::Split> split_named(std::string_view text);

}  // namespace consilium::data
