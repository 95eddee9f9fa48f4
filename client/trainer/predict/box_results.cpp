#include <spdlog/fmt/fmt.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "client/trainer/predict/index.h"
#include "client/trainer/predict/overlay.h"
#include "client/trainer/predict/restore.h"
#include "client/trainer/predict/task_results.h"

namespace consilium::predict {
namespace {

using nlohmann::json;

constexpr const char* kDetectionsName = "detections.json";
constexpr const char* kImagesName = "images.json";

/// A JSON list that grows on disk, with one element on each line.
class GrowingList {
 public:
  GrowingList(GrowingFile file, std::string closing) : file_(std::move(file)), closing_(std::move(closing)) {}
  Result<void> add(const json& element) {
    return file_.append((std::exchange(first_, false) ? "\n" : ",\n") + line_of(element));
  }
  Result<void> finish() {
    CONSILIUM_TRY(file_.append(closing_));
    return file_.finish();
  }

 private:
  GrowingFile file_;
  std::string closing_;
  bool first_ = true;
};

Result<GrowingList> begin_list(const std::filesystem::path& file, const std::string& opening, std::string closing) {
  CONSILIUM_ASSIGN(GrowingFile growing, GrowingFile::create(file));
  CONSILIUM_TRY(growing.append(opening));
  return GrowingList(std::move(growing), std::move(closing));
}

/// Returns COCO's categories, numbered from 1 in the order of the model's classes.
json categories_of(const std::vector<std::string>& classes) {
  json categories = json::array();
  for (std::size_t i = 0; i < classes.size(); ++i) categories.push_back({{"id", i + 1}, {"name", classes[i]}});
  return categories;
}

class BoxResults : public Results {
 public:
  BoxResults(const ResultContext& context, Index index, GrowingList detections, GrowingList images)
      : context_(context), index_(std::move(index)), detections_(std::move(detections)), images_(std::move(images)) {}

  Result<void> take(const Image& image, std::int64_t plane, const data::Placement& placement,
                    CasePrediction prediction) override {
    const data::Sides sides = plane_sides(image);
    taken_.push_back({plane, sides, restore_boxes(std::move(prediction.detections), placement, sides)});
    return {};
  }

  Result<void> finish_image(const Image& image) override {
    for (const Plane& plane : std::exchange(taken_, {})) {
      json entry = json::object();
      if (context_.overlays) {
        CONSILIUM_ASSIGN(entry[kOverlay], draw(image, plane));
      }
      CONSILIUM_TRY(add(image, plane, std::move(entry)));
    }
    return {};
  }

  void drop_image() override { taken_.clear(); }

  Result<void> finish(const std::string& rest) override {
    CONSILIUM_TRY(detections_.finish());
    CONSILIUM_TRY(images_.finish());
    return index_.finish(rest);
  }

 private:
  struct Plane {
    std::int64_t number = 0;
    data::Sides sides{};
    std::vector<trainer::Detection> found;
  };

  [[nodiscard]] data::Sides plane_sides(const Image& image) const {
    const data::Sides& sides = image.pixels.sides;
    if (image.pixels.flat) return sides;
    const std::size_t axis = context_.choice->preparation.slice_axis();
    return {1, sides[axis == 0 ? 1 : 0], sides[axis == 2 ? 1 : 2]};
  }

  Result<void> add(const Image& image, const Plane& plane, json entry) {
    const std::uint64_t id = ++images_seen_;
    json listed{{"id", id}, {"file_name", image.item->id}, {"width", plane.sides[2]}, {"height", plane.sides[1]}};
    if (image.planes > 1) listed["plane"] = plane.number;
    CONSILIUM_TRY(images_.add(listed));
    for (const trainer::Detection& one : plane.found) {
      const trainer::Box& box = one.box;
      CONSILIUM_TRY(detections_.add({{"image_id", id},
                                     {"category_id", one.of_class + 1},
                                     {"bbox", {box.left, box.top, box.right - box.left, box.bottom - box.top}},
                                     {"score", one.score}}));
    }
    const std::string count = fmt::format("{}", plane.found.size());
    const std::string best = plane.found.empty() ? "" : fmt::format("{:.6g}", plane.found.front().score);
    entry["image_id"] = id;
    entry["detections"] = plane.found.size();
    return index_.add(image, plane.number, std::move(entry), {count, best});
  }

  /// Draws the boxes that are relevant to a reader: those with at least the task's threshold.
  Result<std::string> draw(const Image& image, const Plane& plane) {
    Overlay overlay(plane_of(image, context_.choice->preparation, plane.number));
    for (const trainer::Detection& one : plane.found) {
      if (static_cast<double>(one.score) < context_.model->spec.task.threshold) continue;
      const auto label = static_cast<std::uint16_t>(one.of_class);
      overlay.frame({one.box.left, one.box.top, one.box.right, one.box.bottom, label},
                    fmt::format("{} {:.2f}", context_.choice->classes[label], one.score));
    }
    return write_overlay(context_, image, plane.number, overlay);
  }

  ResultContext context_;
  Index index_;
  GrowingList detections_;
  GrowingList images_;
  std::uint64_t images_seen_ = 0;
  std::vector<Plane> taken_;
};

}  // namespace

Result<std::unique_ptr<Results>> make_box_results(const ResultContext& context) {
  const auto& folder = context.output->path();
  CONSILIUM_ASSIGN(Index index, Index::create(context, {"detections", "best_score"}));
  CONSILIUM_ASSIGN(GrowingList detections, begin_list(folder / kDetectionsName, "[", "\n]\n"));
  const json info{{"description", "consilium-trainer predict: for research, not a medical device"}};
  const std::string head = "{\"info\": " + line_of(info) + ",\n\"annotations\": [],\n\"categories\": " +
                           line_of(categories_of(context.choice->classes)) + ",\n\"images\": [";
  CONSILIUM_ASSIGN(GrowingList images, begin_list(folder / kImagesName, head, "\n]}\n"));
  return std::unique_ptr<Results>(
      std::make_unique<BoxResults>(context, std::move(index), std::move(detections), std::move(images)));
}

}  // namespace consilium::predict
