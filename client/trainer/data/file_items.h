#pragma once

#include <memory>

#include "client/trainer/data/collection.h"
#include "client/trainer/data/dataset_folder.h"
#include "client/trainer/data/label_table.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// Reads items from files: numpy's by itself, every other by the decoder. An item of several files is a volume, its
/// files the slices.
class FileImages : public ImageSource {
 public:
  /// @param decoder  may be null where the files are numpy's
  explicit FileImages(std::shared_ptr<ImageDecoder> decoder) : decoder_(std::move(decoder)) {}
  Result<DecodedImage> image(const Item& item, const DecodeOptions& options) const override;
  Result<DecodedImage> mask(const Item& item, const DecodeOptions& options) const override;
  /// Reads one file.
  Result<DecodedImage> file(const std::filesystem::path& path, const DecodeOptions& options) const;

 private:
  std::shared_ptr<ImageDecoder> decoder_;
};

/// A folder a class, or images with masks or boxes: `path`/[train|val|test/][class/]*.png, .jpg, .jpeg, .tif, .tiff,
/// .npy.
Result<Collection> list_image_folder(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder);
/// What a CSV table lists: one row an item.
Result<Collection> list_table(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder);
/// Volumes: .nii and .nii.gz files, with a table, or masks by their names.
Result<Collection> list_nifti(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder);

/// Fails where the list is empty, or has no training item. Items that the labels don't know are in `left_out`.
Result<Collection> finished(Collection collection, const LabelTable& labels);

}  // namespace consilium::data
