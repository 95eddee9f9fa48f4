#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "client/trainer/data/file_items.h"
#include "client/trainer/data/prepare.h"
#include "client/trainer/predict/results.h"
#include "common/error/error.h"

namespace consilium::predict {

/// An image that was read, with its prepared planes, or the reason why it can't be read.
struct LoadedImage {
  Image image;
  Result<void> readable;
  bool is_segmentation = false;              ///< a DICOM SEG, which isn't an image
  std::vector<data::PreparedItem> prepared;  ///< filled if the image has one plane
};

/// Reads images for prediction.
class ImageLoader {
 public:
  /// @param keep_pixels  also keeps the pixels of single-plane images, which are otherwise released once they are
  /// prepared
  ImageLoader(const data::FileImages& files, const data::Preparation& preparation, unsigned threads, bool keep_pixels)
      : files_(files), preparation_(preparation), threads_(threads), keep_pixels_(keep_pixels) {}

  /// Returns how many of these items are loaded together: several small files, or one.
  [[nodiscard]] std::size_t together(std::span<const data::Item> items, std::size_t most) const;
  /// Reads items in parallel, and prepares those that have one plane.
  [[nodiscard]] std::vector<LoadedImage> load(std::span<const data::Item> items) const;
  /// Prepares one of an image's planes. Reads the image again if its pixels were released.
  [[nodiscard]] Result<data::PreparedItem> prepare(const Image& image, std::int64_t plane) const;

 private:
  [[nodiscard]] LoadedImage load_one(const data::Item& item, std::uint64_t max_bytes) const;

  const data::FileImages& files_;
  const data::Preparation& preparation_;
  unsigned threads_;
  bool keep_pixels_;
};

}  // namespace consilium::predict
