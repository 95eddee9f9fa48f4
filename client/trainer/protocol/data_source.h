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

/// A site's description of a data set (client.yaml: datasets.NAME; docs/formats/datasets.md lists every key). The
/// client checks the description and passes it to the trainer; the client never opens what it names.
namespace consilium::trainer {

/// Where the labels are, and which items they belong to.
struct LabelSource {
  /// The meaning of the values in the table's key column.
  enum class Match : std::uint8_t { kFile, kPatient, kStudy, kSeries, kImage };

  std::string table;                 ///< CSV file in the data set's folder; empty: none
  Match match = Match::kFile;        ///< kinds other than kFile: only for dicom
  std::string key = "file";          ///< name of the key column
  std::string class_column;          ///< column with one class for each item
  std::vector<std::string> columns;  ///< columns of 0 or 1, one for each label (multi-label)
  std::string mask;                  ///< column of mask files
  std::string masks;                 ///< folder of masks that are named like the images, instead of a column
  std::string boxes;                 ///< COCO JSON or CSV file
  std::optional<double> threshold;   ///< mask values above it are class 1, others 0; if unset, values are classes
  std::vector<std::string> classes;  ///< names by index; empty: numbers, or the folders' names in order
  bool operator==(const LabelSource&) const = default;
};

/// How items are divided into training, validation and test splits, always by patient. For the type dicom, the patient
/// is the file's PatientID. For other types, a column, the folder or the beginning of the file's name gives the
/// patient; if none is set, each file counts as a patient of its own.
struct SplitSource {
  std::string patient;                          ///< column of patients in the labels' table
  bool patient_folder = false;                  ///< the patient is the name of the folder that contains the file
  std::string patient_before;                   ///< the patient is the part of the file's name before this text
  std::string column;                           ///< column of the labels' table, with train, val and test
  bool folders = false;                         ///< the data set's folder holds folders named train, val and test
  std::array<double, 3> shares{0.8, 0.1, 0.1};  ///< of the patients; used if neither of the two above is set
  std::uint64_t seed = 0;
  bool operator==(const SplitSource&) const = default;
};

/// How an image is preprocessed after it is decoded. The steps are: slices, crop, window, spacing, size, patches,
/// normalisation.
struct Preprocess {
  enum class Slices : std::uint8_t { kNone, kAxial, kCoronal, kSagittal };
  enum class Fit : std::uint8_t { kStretch, kPad, kCrop };
  enum class Normalise : std::uint8_t { kNone, kImage, kSite, kFixed };

  Slices slices = Slices::kNone;                ///< cuts a volume into its planes, each an image
  std::optional<std::array<double, 2>> window;  ///< lowest and highest value, mapped to 0 and 1; others are clipped
  std::optional<double> crop;      ///< crops to the box of values above it; before the window, in the file's own values
  std::uint32_t crop_margin = 0;   ///< pixels around that box
  std::vector<double> spacing;     ///< mm, [H, W] or [D, H, W]
  std::vector<std::int64_t> size;  ///< [H, W] or [D, H, W]
  Fit fit = Fit::kStretch;         ///< how an image is brought to its size
  Normalise normalise = Normalise::kNone;
  std::vector<double> mean;  ///< kFixed: one, or one for each channel
  std::vector<double> std;
  std::vector<std::int64_t> patch;  ///< size of patches, [H, W] or [D, H, W]; empty: whole images
  std::uint32_t patches_per_item = 1;
  double patch_foreground = 0.5;  ///< fraction of patches whose centre is on a mask's foreground or in a box
  bool operator==(const Preprocess&) const = default;
};

using task::Augment;

/// The limits on loading.
struct Loading {
  std::uint64_t cache_bytes = std::uint64_t{1} << 30;  ///< of prepared images kept in memory
  std::uint32_t threads = 2;                           ///< number of threads that decode ahead of the training
  double unreadable = 0.05;  ///< fraction of the files that may be unreadable; the others are used
  bool operator==(const Loading&) const = default;
};

/// Where a data set is and how to read it, as client.yaml states.
struct DataSource {
  std::string type;  ///< a name in data_types()
  std::string path;  ///< a file or a folder, depending on the type
  LabelSource labels{};
  SplitSource split{};
  Preprocess preprocess{};
  Augment augment{};
  Loading loading{};
  bool operator==(const DataSource&) const = default;
};

/// A type of data set, and the keys that a description of it may have.
struct DataType {
  std::string_view name;
  bool arrays = false;  ///< whole arrays in the model's shape, which need no preparation
  bool folder = false;  ///< the path is a folder
  bool labels = false;  ///< accepts `labels` and `split`
};
[[nodiscard]] std::span<const DataType> data_types();
/// Returns the type with that name, or nullptr.
[[nodiscard]] const DataType* find_data_type(std::string_view name);
/// Returns a list of the types for an error: "npz, idx, image_folder, table, dicom or nifti".
[[nodiscard]] std::string data_type_names();

/// Parses a description. It is hostile input: unknown keys, wrong kinds, numbers out of range, and keys that the type
/// doesn't accept are rejected. An error begins with the key's path ("labels.class: expected ...").
Result<DataSource> data_source_from_json(const nlohmann::json& json);
/// Parses only the part `preprocess` of a description.
Result<Preprocess> preprocess_from_json(const nlohmann::json& json);
/// Encodes a description; members with their default value are left out.
[[nodiscard]] nlohmann::json to_json(const DataSource& source);

}  // namespace consilium::trainer
