#include "client/trainer/predict/image_loader.h"

#include <algorithm>
#include <filesystem>
#include <new>
#include <system_error>
#include <utility>

#include "client/trainer/data/parallel.h"

namespace consilium::predict {
namespace {

/// The largest size of a file that is loaded together with others.
constexpr std::uintmax_t kSmallFile = std::uintmax_t{1} << 20;
/// The most memory that the pixels of such a file may take. If they take more, it is read separately.
constexpr std::uint64_t kSmallImage = std::uint64_t{64} << 20;
/// The maximum number of images that are loaded together if their pixels are kept.
constexpr std::size_t kMostKept = 8;

bool is_small(const data::Item& item) {
  std::error_code problem;
  const auto size = item.files.size() == 1 ? std::filesystem::file_size(item.files[0], problem) : kSmallFile + 1;
  return !problem && size <= kSmallFile;
}

}  // namespace

std::size_t ImageLoader::together(std::span<const data::Item> items, std::size_t most) const {
  if (keep_pixels_) most = std::min(most, kMostKept);
  std::size_t count = 0;
  while (count < std::min(items.size(), most) && is_small(items[count])) ++count;
  return std::max<std::size_t>(count, 1);
}

std::vector<LoadedImage> ImageLoader::load(std::span<const data::Item> items) const {
  std::vector<LoadedImage> loaded(items.size());
  const std::uint64_t most = items.size() == 1 ? data::DecodeOptions{}.max_bytes : kSmallImage;
  data::for_each_index(items.size(), threads_, [&](std::size_t i) { loaded[i] = load_one(items[i], most); });
  for (std::size_t i = 0; i < items.size() && items.size() > 1; ++i) {
    const auto& readable = loaded[i].readable;
    if (!readable && readable.error().code == ErrorCode::kResourceExhausted)
      loaded[i] = load_one(items[i], data::DecodeOptions{}.max_bytes);
  }
  return loaded;
}

Result<data::PreparedItem> ImageLoader::prepare(const Image& image, std::int64_t plane) const {
  if (!image.pixels.values.empty()) return preparation_.prepare(image.pixels, plane);
  LoadedImage again = load_one(*image.item, data::DecodeOptions{}.max_bytes);
  if (!again.readable) return fail(again.readable.error());
  if (again.prepared.empty()) return refuse("the file changed while it was read");
  return std::move(again.prepared.front());
}

LoadedImage ImageLoader::load_one(const data::Item& item, std::uint64_t max_bytes) const {
  LoadedImage loaded;
  loaded.image.item = &item;
  try {
    auto decoded = files_.image(item, {.origin = true, .max_bytes = max_bytes});
    if (!decoded) {
      loaded.readable = fail(decoded.error());
      return loaded;
    }
    loaded.is_segmentation = decoded->tags.modality == "SEG";
    if (loaded.is_segmentation) return loaded;
    loaded.image.pixels = data::to_volume(*decoded);
    decoded->pixels = {};
    loaded.image.header = std::move(*decoded);
    loaded.image.planes = preparation_.planes_of(loaded.image.pixels);
    if (loaded.image.planes != 1) return loaded;
    auto prepared = prepare(loaded.image, 0);
    if (prepared) loaded.prepared.push_back(std::move(*prepared));
    if (!prepared) loaded.readable = fail(prepared.error());
    if (!keep_pixels_) loaded.image.pixels.values = {};
  } catch (const std::bad_alloc&) {
    loaded.readable = fail(ErrorCode::kResourceExhausted, "there isn't enough memory for the image");
  }
  return loaded;
}

}  // namespace consilium::predict
