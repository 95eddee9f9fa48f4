#pragma once

#include <memory>

#include "client/trainer/data/collection.h"
#include "client/trainer/data/dataset_folder.h"
#include "client/trainer/data/label_table.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// Reads items from files: numpy files by itself, all others through the decoder. An item of several files is a volume
/// whose slices are those files.
class FileImages : public ImageSource {
 public:
  /// @param decoder  can be null if all files are numpy files
  explicit FileImages(std::shared_ptr<ImageDecoder> decoder) : decoder_(std::move(decoder)) {}
  Result<DecodedImage> image(const Item& item, const DecodeOptions& options) const override;
  Result<DecodedImage> mask(const Item& item, const DecodeOptions& options) const override;
  /// Reads one file.
  Result<DecodedImage> file(const std::filesystem::path& path, const DecodeOptions& options) const;

 private:
  std::shared_ptr<ImageDecoder> decoder_;
};

/// Lists a folder that has a sub-folder for each class, or images with masks or boxes:
/// `path`/[train|val|test/][class/]*.png, .jpg, .jpeg, .tif, .tiff, .npy.
Result<Collection> list_image_folder(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder);
/// Lists the rows of a CSV table, one item for each row.
Result<Collection> list_table(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder);
/// Lists volumes: .nii and .nii.gz files, with a table, or with masks matched by name.
Result<Collection> list_nifti(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder);

/// Returns the finished list. Fails if it is empty or has no training item. Items that the labels don't mention are in
/// `left_out`.
Result<Collection> finished(Collection collection, const LabelTable& labels);

}  // namespace consilium::data
