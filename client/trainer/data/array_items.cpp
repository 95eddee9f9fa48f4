#include "client/trainer/data/array_items.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "client/trainer/data/dataset.h"
#include "client/trainer/data/readers.h"

namespace consilium::data {
namespace {

constexpr std::int64_t kMostClasses = 65536;

class ArrayImages : public ImageSource {
 public:
  explicit ArrayImages(Dataset dataset) : dataset_(std::move(dataset)) {}

  Result<DecodedImage> image(const Item& item, const DecodeOptions& options) const override {
    const Split& split = split_of(item.split);
    DecodedImage image;
    image.shape = dataset_.shape;
    if (image.shape.size() == 1) image.shape = {1, 1, image.shape[0]};
    if (options.header_only) return image;
    const auto size = static_cast<std::ptrdiff_t>(dataset_.example_size());
    std::visit(
        [&](const auto& values) {
          const auto begin = values.begin() + static_cast<std::ptrdiff_t>(item.row) * size;
          image.pixels = std::remove_cvref_t<decltype(values)>(begin, begin + size);
        },
        split.values);
    return image;
  }

  Result<DecodedImage> mask(const Item& item, const DecodeOptions& options) const override {
    const Split& split = split_of(item.split);
    const std::size_t size = split.parts_size();
    if (dataset_.target != TargetKind::kMask || item.row >= split.size())
      return fail(ErrorCode::kInternal, item.id + ": its target isn't a mask");
    DecodedImage mask;
    mask.shape = dataset_.shape;
    mask.shape[0] = 1;
    if (options.header_only) return mask;
    const auto begin = split.parts.begin() + static_cast<std::ptrdiff_t>(item.row * size);
    mask.pixels = std::vector<std::uint8_t>(begin, begin + static_cast<std::ptrdiff_t>(size));
    return mask;
  }

 private:
  [[nodiscard]] const Split& split_of(job::Split split) const {
    return split == job::Split::kTrain ? dataset_.train : split == job::Split::kVal ? dataset_.val : dataset_.test;
  }

  Dataset dataset_;
};

ListedTarget target_of(const Dataset& dataset, const Split& split, std::size_t row) {
  if (dataset.target == TargetKind::kClass) return ClassLabel{split.labels[row]};
  if (dataset.target == TargetKind::kMask) return MaskFile{};  // ArrayImages finds it by the row
  const auto begin = split.parts.begin() + static_cast<std::ptrdiff_t>(row * split.parts_size());
  return LabelVector{{begin, begin + static_cast<std::ptrdiff_t>(split.parts_size())}};
}

}  // namespace

Result<Collection> list_array_items(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> /*decoder*/) {
  CONSILIUM_ASSIGN(const Reader* const reader, reader_of(source));
  CONSILIUM_ASSIGN(const std::vector<std::uint64_t> shape, reader->array_shape(source.path));
  CONSILIUM_ASSIGN(const std::vector<std::int64_t> input, model_input_of(shape));
  CONSILIUM_ASSIGN(Dataset dataset, read_dataset(source, input, kMostClasses, {}, Targets::kAny));
  Collection collection;
  collection.kind = dataset.target;
  for (const auto& [name, split, which] : {std::tuple{"train_images", &dataset.train, job::Split::kTrain},
                                           std::tuple{"val_images", &dataset.val, job::Split::kVal},
                                           std::tuple{"test_images", &dataset.test, job::Split::kTest}}) {
    for (std::size_t row = 0; row < split->size(); ++row) {
      collection.items.push_back({.id = fmt::format("{}[{}]", name, row),
                                  .origin = {},
                                  .patient = {},
                                  .split = which,
                                  .target = target_of(dataset, *split, row),
                                  .files = {},
                                  .row = row});
    }
  }
  collection.images = std::make_shared<ArrayImages>(std::move(dataset));
  return collection;
}

}  // namespace consilium::data
