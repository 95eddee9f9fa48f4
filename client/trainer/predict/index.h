#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "client/trainer/predict/output_folder.h"
#include "client/trainer/predict/results.h"
#include "common/error/error.h"

namespace consilium::predict {

/// Writes predictions.json and predictions.csv: what was predicted for each image, in the images' order. Both files
/// grow on disk, so that memory use doesn't depend on the number of images.
class Index {
 public:
  /// @param columns  of the table, after `file` and `plane`
  static Result<Index> create(const ResultContext& context, const std::vector<std::string>& columns);

  /// Adds an image, or a plane of it.
  /// @param entry  its object in predictions.json, without `file` and `plane`
  /// @param cells  one for each column
  Result<void> add(const Image& image, std::int64_t plane, nlohmann::json entry, const std::vector<std::string>& cells);
  /// Completes both files.
  /// @param rest  further members of predictions.json, as JSON text: `"failed": []`
  Result<void> finish(const std::string& rest);

 private:
  Index(GrowingFile json, GrowingFile table) : json_(std::move(json)), table_(std::move(table)) {}

  GrowingFile json_;
  GrowingFile table_;
  bool first_ = true;
};

/// In an image's object, the member that names its overlay, if there is one.
inline constexpr const char* kOverlay = "overlay";

/// Returns JSON on one line. Text that isn't valid UTF-8, as a file's name may be, is repaired.
[[nodiscard]] std::string line_of(const nlohmann::json& json);

}  // namespace consilium::predict
