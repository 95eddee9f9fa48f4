#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"
#include "common/task/augment.h"

/// How a site describes a data set (client.yaml: datasets.NAME; docs/formats/datasets.md has every key). The client
/// checks the description and hands it to the trainer; the client never opens what it names.
namespace consilium::trainer {

/// Where labels stand, and which items they belong to.
struct LabelSource {
  /// What the table's key column holds.
  enum class Match : std::uint8_t { kFile, kPatient, kStudy, kSeries, kImage };

  std::string table;                 ///< CSV file in the data set's folder; empty: none
  Match match = Match::kFile;        ///< other than kFile: dicom alone
  std::string key = "file";          ///< name of the key column
  std::string class_column;          ///< column of one class an item
  std::vector<std::string> columns;  ///< columns of 0 or 1, one a label (multi-label)
  std::string mask;                  ///< column of mask files
  std::string masks;                 ///< folder of masks with the images' names, instead of a column
  std::string boxes;                 ///< COCO JSON or CSV file
  std::optional<double> threshold;   ///< mask values above it are class 1, others 0; without it values are classes
  std::vector<std::string> classes;  ///< names by index; empty: numbers, or the folders' names in order
  bool operator==(const LabelSource&) const = default;
};

/// How items are divided into training, validation and test splits: by patient always. Type dicom takes the file's
/// PatientID; elsewhere a column, the folder, or the beginning of the file's name does, else each file is a patient of
/// its own.
struct SplitSource {
  std::string patient;                          ///< column of patients in the labels' table
  bool patient_folder = false;                  ///< the patient is the folder that the file lies in
  std::string patient_before;                   ///< the patient is what stands before this text in the file's name
  std::string column;                           ///< of the labels' table, with train, val and test
  bool folders = false;                         ///< the data set's folder holds folders named train, val and test
  std::array<double, 3> shares{0.8, 0.1, 0.1};  ///< of the patients, where neither is given
  std::uint64_t seed = 0;
  bool operator==(const SplitSource&) const = default;
};

/// What happens to an image after it is decoded, in this order.
struct Preprocess {
  enum class Slices : std::uint8_t { kNone, kAxial, kCoronal, kSagittal };
  enum class Fit : std::uint8_t { kStretch, kPad, kCrop };
  enum class Normalise : std::uint8_t { kNone, kImage, kSite, kFixed };

  Slices slices = Slices::kNone;                ///< a volume becomes as many images as it has planes
  std::optional<std::array<double, 2>> window;  ///< lowest and highest value, mapped to 0 and 1; beyond is cut
  std::optional<double> crop;      ///< keeps the box of values above it; before the window, in the file's own values
  std::uint32_t crop_margin = 0;   ///< pixels around that box
  std::vector<double> spacing;     ///< mm, [H, W] or [D, H, W]
  std::vector<std::int64_t> size;  ///< [H, W] or [D, H, W]
  Fit fit = Fit::kStretch;         ///< how an image gets its size
  Normalise normalise = Normalise::kNone;
  std::vector<double> mean;  ///< kFixed: one, or one a channel
  std::vector<double> std;
  std::vector<std::int64_t> patch;  ///< size of patches, [H, W] or [D, H, W]; empty: whole images
  std::uint32_t patches_per_item = 1;
  double patch_foreground = 0.5;  ///< share of patches whose centre lies on a mask's foreground or in a box
  bool operator==(const Preprocess&) const = default;
};

using task::Augment;

/// What loading may cost.
struct Loading {
  std::uint64_t cache_bytes = std::uint64_t{1} << 30;  ///< of prepared images that are kept in memory
  std::uint32_t threads = 2;                           ///< that decode ahead of the training
  double unreadable = 0.05;                            ///< share of the files that may be unreadable; the rest is used
  bool operator==(const Loading&) const = default;
};

/// Where a data set lies and how to read it, as client.yaml says.
struct DataSource {
  std::string type;  ///< a name in data_types()
  std::string path;  ///< a file or a folder, as the type wants it
  LabelSource labels{};
  SplitSource split{};
  Preprocess preprocess{};
  Augment augment{};
  Loading loading{};
  bool operator==(const DataSource&) const = default;
};

/// What the types of data sets are, and what a description of each may say.
struct DataType {
  std::string_view name;
  bool arrays = false;  ///< whole arrays in the model's shape, which need no preparation
  bool folder = false;  ///< the path is a folder
  bool labels = false;  ///< takes `labels` and `split`
};
[[nodiscard]] std::span<const DataType> data_types();
/// Returns the type of that name, or nullptr.
[[nodiscard]] const DataType* find_data_type(std::string_view name);
/// Names the types for an error: "npz, idx, image_folder, table, dicom or nifti".
[[nodiscard]] std::string data_type_names();

/// Reads a description. Hostile input: unknown keys, wrong kinds, numbers out of range, and keys that the type doesn't
/// take are refused; an error begins with the key's path ("labels.class: expected ...").
Result<DataSource> data_source_from_json(const nlohmann::json& json);
/// Reads the part `preprocess` of a description alone.
Result<Preprocess> preprocess_from_json(const nlohmann::json& json);
/// Writes it; what has its default is left out.
[[nodiscard]] nlohmann::json to_json(const DataSource& source);

}  // namespace consilium::trainer
