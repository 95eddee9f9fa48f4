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

/// What a site's labels say of each key: rows of a table, a boxes file, or a folder of masks.
class LabelTable {
 public:
  /// What stands in a table's row.
  struct Row {
    std::string key;
    std::string origin;  ///< "labels.csv, line 17"
    std::string patient;
    std::optional<job::Split> split;
    ListedTarget target;
  };

  /// Reads everything that `labels` and `split` name. Errors name file, line and column, and no cell but a split's or a
  /// class's name.
  static Result<LabelTable> read(const DatasetFolder& folder, const trainer::DataSource& source);

  [[nodiscard]] TargetKind kind() const { return kind_; }
  /// Names of classes or labels; empty where they are numbers.
  [[nodiscard]] const std::vector<std::string>& classes() const { return classes_; }
  /// Whether a table lists the items.
  [[nodiscard]] bool has_table() const { return has_table_; }
  /// Rows in the table's order; keys are all different.
  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }
  [[nodiscard]] const Row* find(std::string_view key) const;
  /// Completes an item whose file has this name: the table's row, or boxes or a mask by the file's name. Fails with
  /// kNotFound where nothing is said about it.
  Result<void> label(std::string_view key, std::string_view file, Item& item) const;

 private:
  Result<void> read_rows(const DatasetFolder& folder, const trainer::DataSource& source);

  TargetKind kind_ = TargetKind::kClass;
  bool has_table_ = false;
  std::vector<std::string> classes_;
  std::vector<Row> rows_;
  std::map<std::string, std::size_t, std::less<>> by_key_;
  std::optional<std::map<std::string, Boxes, std::less<>>> boxes_;
  std::map<std::string, std::filesystem::path, std::less<>> masks_;  ///< by the stem of their names
  bool mask_folder_ = false;
};

/// Reads "train", "val" or "validation", "test", in any case.
[[nodiscard]] std::optional<job::Split> split_named(std::string_view text);

}  // namespace consilium::data
