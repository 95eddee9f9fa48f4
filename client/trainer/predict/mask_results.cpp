#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "client/trainer/predict/dicom_mask.h"
#include "client/trainer/predict/index.h"
#include "client/trainer/predict/nifti_mask.h"
#include "client/trainer/predict/overlay.h"
#include "client/trainer/predict/restore.h"
#include "client/trainer/predict/task_results.h"
#include "client/trainer/task/postprocess.h"

namespace consilium::predict {
namespace {

using nlohmann::json;

/// A mask as a file, and the ending of its name.
struct MaskFile {
  std::string bytes;
  std::string ending;
};

class MaskResults : public Results {
 public:
  MaskResults(const ResultContext& context, Index index) : context_(context), index_(std::move(index)) {}

  Result<void> take(const Image& image, std::int64_t plane, const data::Placement& placement,
                    CasePrediction prediction) override {
    data::Volume scores = std::move(prediction.scores);
    const data::Sides& sides = image.pixels.sides;
    if (image.planes == 1 && !is_cut(image)) {
      classes_ = classes_of(scores, placement, sides);
      return {};
    }
    classes_.resize(image.pixels.plane());
    const std::size_t axis = context_.choice->preparation.slice_axis();
    const data::Sides flat = axis == 0   ? data::Sides{1, sides[1], sides[2]}
                             : axis == 1 ? data::Sides{1, sides[0], sides[2]}
                                         : data::Sides{1, sides[0], sides[1]};
    put_plane(classes_of(scores, placement, flat), sides, axis, plane);
    return {};
  }

  Result<void> finish_image(const Image& image) override {
    const std::vector<std::uint8_t> classes = std::exchange(classes_, {});
    CONSILIUM_ASSIGN(const MaskFile file, file_of(image, classes));
    const std::string name = context_.output->name_for("masks", image.item->id, file.ending);
    CONSILIUM_TRY(context_.output->write(name, std::as_bytes(std::span(file.bytes))));
    json entry{{"mask", name}};
    if (context_.overlays) {
      CONSILIUM_ASSIGN(entry[kOverlay], draw(image, classes));
    }
    return add_to_index(image, std::move(entry), classes);
  }

  void drop_image() override { classes_.clear(); }
  Result<void> finish(const std::string& rest) override { return index_.finish(rest); }

 private:
  /// Returns the classes of an image or plane in its own pixels. Post-processes each separately as the job specifies,
  /// as evaluations do.
  [[nodiscard]] std::vector<std::uint8_t> classes_of(data::Volume& scores, const data::Placement& placement,
                                                     const data::Sides& sides) const {
    std::vector<std::uint8_t> classes = restore_classes(scores, placement, sides, context_.threads);
    const trainer::Grid grid{.size = sides};
    trainer::postprocess(std::span(classes), grid, context_.model->spec.task.postprocess);
    return classes;
  }
  /// Returns true if the model processes the image plane by plane, even if it has only one plane.
  [[nodiscard]] bool is_cut(const Image& image) const {
    return !image.pixels.flat && context_.choice->preparation.options().slices != trainer::Preprocess::Slices::kNone;
  }

  void put_plane(const std::vector<std::uint8_t>& flat, const data::Sides& sides, std::size_t axis,
                 std::int64_t plane) {
    const auto height = static_cast<std::size_t>(sides[1]), width = static_cast<std::size_t>(sides[2]),
               depth = static_cast<std::size_t>(sides[0]), at = static_cast<std::size_t>(plane);
    auto from = flat.begin();
    const std::size_t rows = axis == 0 ? height : depth, columns = axis == 2 ? height : width;
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t column = 0; column < columns; ++column, ++from) {
        const std::size_t place = axis == 0   ? (at * height + row) * width + column
                                  : axis == 1 ? (row * height + at) * width + column
                                              : (row * height + column) * width + at;
        classes_[place] = *from;
      }
    }
  }

  Result<MaskFile> file_of(const Image& image, const std::vector<std::uint8_t>& classes) const {
    const data::Sides& sides = image.pixels.sides;
    const auto& origin = image.header.origin;
    if (origin && std::holds_alternative<data::DicomSource>(*origin)) {
      CONSILIUM_ASSIGN(std::string bytes, dicom_mask(context_, image, classes));
      return MaskFile{std::move(bytes), ".dcm"};
    }
    if (image.pixels.flat) {
      CONSILIUM_ASSIGN(std::string bytes,
                       data::to_png(classes, static_cast<std::size_t>(sides[2]), static_cast<std::size_t>(sides[1])));
      return MaskFile{std::move(bytes), ".png"};
    }
    std::string bytes = nifti_mask(image.header, sides, classes);
    if (image.item->id.ends_with(".nii")) return MaskFile{std::move(bytes), ".nii"};
    CONSILIUM_ASSIGN(bytes, gzipped(bytes));
    return MaskFile{std::move(bytes), ".nii.gz"};
  }

  Result<void> add_to_index(const Image& image, json entry, const std::vector<std::uint8_t>& classes) {
    std::vector<std::uint64_t> counts(context_.choice->classes.size(), 0);
    for (const std::uint8_t one : classes) ++counts[one];
    entry["voxels"] = counts;
    const auto& spacing = image.header.spacing;
    const double size = spacing[0] * spacing[1] * spacing[2];
    const bool sized = image.header.has_spacing && !image.pixels.flat;
    if (sized) entry["voxel_mm3"] = size;
    std::vector<std::string> cells{entry["mask"].get<std::string>()};
    for (std::size_t c = 1; c < counts.size(); ++c) {
      cells.push_back(fmt::format("{}", counts[c]));
      cells.push_back(sized ? fmt::format("{:.6g}", static_cast<double>(counts[c]) * size / 1000.0) : "");
    }
    return index_.add(image, -1, std::move(entry), cells);
  }

  Result<std::string> draw(const Image& image, const std::vector<std::uint8_t>& classes) {
    const data::Sides& sides = image.pixels.sides;
    const std::size_t plane_size = static_cast<std::size_t>(sides[1]) * static_cast<std::size_t>(sides[2]);
    const data::Mask whole{{sides[0], sides[1], sides[2]}, classes};
    const std::int64_t plane = data::fullest_plane(whole);
    Overlay overlay(image.pixels.flat ? image.pixels : data::slice_of(image.pixels, 0, plane));
    data::Mask mask{{sides[1], sides[2]}, {}};
    const auto begin = classes.begin() + plane * static_cast<std::int64_t>(plane_size);
    mask.classes.assign(begin, begin + static_cast<std::int64_t>(plane_size));
    overlay.outline(mask);
    if (!image.pixels.flat) overlay.write_line(fmt::format("plane {} of {}", plane + 1, sides[0]), data::kWhite);
    for (std::size_t c = 1; c < context_.choice->classes.size(); ++c) {
      if (std::ranges::find(mask.classes, static_cast<std::uint8_t>(c)) != mask.classes.end())
        overlay.write_line(context_.choice->classes[c], data::colour_of(c - 1));
    }
    return write_overlay(context_, {image.item, {}, {}, 1}, 0, overlay);
  }

  ResultContext context_;
  Index index_;
  std::vector<std::uint8_t> classes_;  ///< of the current image
};

}  // namespace

Result<std::unique_ptr<Results>> make_mask_results(const ResultContext& context) {
  std::vector<std::string> columns{"mask"};
  for (std::size_t c = 1; c < context.choice->classes.size(); ++c) {
    columns.push_back("voxels_" + context.choice->classes[c]);
    columns.push_back("ml_" + context.choice->classes[c]);
  }
  CONSILIUM_ASSIGN(Index index, Index::create(context, columns));
  return std::unique_ptr<Results>(std::make_unique<MaskResults>(context, std::move(index)));
}

}  // namespace consilium::predict
