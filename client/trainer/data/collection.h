#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/data/target.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"

namespace consilium::data {

/// One image or volume of a data set: its patient, how it is loaded, and its target.
struct Item {
  std::string id;       ///< for people at the site: the file's path in the data set's folder, or "train_images[12]"
  std::string origin;   ///< for errors at the site: "labels.csv, line 17"; empty if no table lists the item
  std::string patient;  ///< decides the split; never leaves the trainer
  job::Split split = job::Split::kTrain;
  ListedTarget target;
  std::vector<std::filesystem::path> files;  ///< one file, or a series' slices in order; empty: a row of arrays
  std::uint64_t row = 0;                     ///< row in the arrays
};

/// A file that was left out of the list, and the reason. Only for the people at the site.
struct LeftOut {
  std::string id;
  std::string why;
  bool unlabelled = false;  ///< the file is fine, but no label names it
};

/// Reads the pixels of items. Thread-safe.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  virtual Result<DecodedImage> image(const Item& item, const DecodeOptions& options) const = 0;
  /// Reads the mask of an item whose target is a MaskFile.
  virtual Result<DecodedImage> mask(const Item& item, const DecodeOptions& options) const = 0;
};

/// A data set as a list of items, in an order that depends only on its files. Images are loaded one by one, when they
/// are needed.
struct Collection {
  std::vector<Item> items;
  TargetKind kind = TargetKind::kClass;
  std::vector<std::string> classes;  ///< names of the classes or labels; empty if they are numbers
  std::vector<LeftOut> left_out;
  std::shared_ptr<const ImageSource> images;
};

}  // namespace consilium::data
