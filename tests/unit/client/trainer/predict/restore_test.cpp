#include "client/trainer/predict/restore.h"

#include <algorithm>
#include <cmath>

#include "client/trainer/data/prepare.h"
#include "tests/catch.h"

namespace consilium::predict {
namespace {

using data::Sides;
using data::Volume;

/// Returns a volume of zeros with an ellipsoid of hundreds, whose middle and radii are given in voxels.
Volume with_blob(const Sides& sides, const std::array<double, 3>& middle, const std::array<double, 3>& radii) {
  Volume volume;
  volume.sides = sides;
  volume.flat = false;
  volume.values.resize(volume.plane());
  std::size_t at = 0;
  for (std::int64_t d = 0; d < sides[0]; ++d) {
    for (std::int64_t h = 0; h < sides[1]; ++h) {
      for (std::int64_t w = 0; w < sides[2]; ++w, ++at) {
        const std::array<double, 3> place{static_cast<double>(d), static_cast<double>(h), static_cast<double>(w)};
        double squared = 0.0;
        for (std::size_t axis = 0; axis < 3; ++axis)
          squared += std::pow((place[axis] - middle[axis]) / radii[axis], 2.0);
        volume.values[at] = squared <= 1.0 ? 100.0F : 0.0F;
      }
    }
  }
  return volume;
}

/// Returns a perfect model's output for a prepared image: the brighter a voxel, the more probable is class 1.
Volume perfect_scores(const Volume& image) {
  Volume scores = image;
  scores.channels = 2;
  scores.values.assign(image.values.size(), 0.0F);
  for (const float value : image.values) scores.values.push_back((value - 50.0F) / 10.0F);
  return scores;
}

std::vector<std::uint8_t> truth_of(const Volume& image) {
  std::vector<std::uint8_t> classes;
  for (const float value : image.values) classes.push_back(value > 50.0F ? 1 : 0);
  return classes;
}

double dice(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
  double both = 0.0, either = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    both += a[i] * b[i];
    either += a[i] + b[i];
  }
  return 2.0 * both / either;
}

/// Returns the middle of a mask along an axis of the volume, in voxels.
double middle_along(const std::vector<std::uint8_t>& mask, const Sides& sides, std::size_t axis) {
  double sum = 0.0, count = 0.0;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] == 0) continue;
    const auto index = static_cast<std::int64_t>(i);
    const Sides place{index / (sides[1] * sides[2]), index / sides[2] % sides[1], index % sides[2]};
    sum += static_cast<double>(place[axis]);
    count += 1.0;
  }
  return sum / count;
}

std::vector<std::uint8_t> there_and_back(const Volume& image, const trainer::Preprocess& preprocess,
                                         const std::vector<std::int64_t>& input) {
  const trainer::DataSource source{.type = "nifti", .path = "", .preprocess = preprocess};
  const auto preparation = data::Preparation::create(source, input).value();
  const data::PreparedItem prepared = preparation.prepare(image, 0).value();
  Volume scores = perfect_scores(prepared.image);
  return restore_classes(scores, prepared.placement, image.sides, 2);
}

const Sides kOdd{7, 29, 18};

}  // namespace

TEST_CASE("what was cut and padded comes back to the voxel") {
  const Volume image = with_blob(kOdd, {3, 14, 9}, {2, 5, 4});
  trainer::Preprocess preprocess;
  preprocess.fit = trainer::Preprocess::Fit::kCrop;
  SECTION("padded along one side and cut along the others") {
    preprocess.size = {12, 16, 13};
    CHECK(there_and_back(image, preprocess, {1, 12, 16, 13}) == truth_of(image));
  }
  SECTION("cut to the bright part before, with a margin") {
    preprocess.crop = 10.0;
    preprocess.crop_margin = 1;
    preprocess.size = {8, 16, 16};
    CHECK(there_and_back(image, preprocess, {1, 8, 16, 16}) == truth_of(image));
  }
  SECTION("as it is") { CHECK(there_and_back(image, {}, {1, 7, 29, 18}) == truth_of(image)); }
}

TEST_CASE("what was resized comes back to its place") {
  const Volume image = with_blob({21, 60, 44}, {9, 22, 30}, {5, 11, 8});
  trainer::Preprocess preprocess;
  preprocess.size = {16, 32, 32};
  SECTION("stretched") {}
  SECTION("with its aspect kept, and padded") { preprocess.fit = trainer::Preprocess::Fit::kPad; }
  const std::vector<std::uint8_t> mask = there_and_back(image, preprocess, {1, 16, 32, 32});
  const std::vector<std::uint8_t> truth = truth_of(image);
  CHECK(dice(mask, truth) > 0.9);
  for (std::size_t axis = 0; axis < 3; ++axis)
    CHECK(std::abs(middle_along(mask, image.sides, axis) - middle_along(truth, image.sides, axis)) < 0.25);
}

TEST_CASE("resampling to a spacing is undone on an anisotropic volume") {
  Volume image = with_blob({12, 30, 34}, {6, 12, 20}, {4, 8, 6});
  image.spacing = {5.0, 0.7, 1.3};
  trainer::Preprocess preprocess;
  preprocess.spacing = {2.5, 1.0, 1.0};
  preprocess.fit = trainer::Preprocess::Fit::kCrop;
  preprocess.size = {24, 24, 48};
  const std::vector<std::uint8_t> mask = there_and_back(image, preprocess, {1, 24, 24, 48});
  CHECK(dice(mask, truth_of(image)) > 0.93);
}

TEST_CASE("what was cut off is background") {
  const Volume image = with_blob(kOdd, {3, 0, 9}, {3, 3, 4});
  trainer::Preprocess preprocess;
  preprocess.size = {7, 9, 18};
  preprocess.fit = trainer::Preprocess::Fit::kCrop;
  const std::vector<std::uint8_t> mask = there_and_back(image, preprocess, {1, 7, 9, 18});
  CHECK(std::count(mask.begin(), mask.end(), 0) == static_cast<std::ptrdiff_t>(mask.size()));
}

TEST_CASE("the number of threads changes nothing") {
  const Volume image = with_blob({9, 33, 21}, {4, 15, 11}, {3, 9, 7});
  const data::Placement placement{{1.5, 0.75, 1.25}, {-1.0, 3.0, 0.5}};
  Volume one = perfect_scores(image), four = one;
  CHECK(restore_classes(one, placement, {14, 27, 25}, 1) == restore_classes(four, placement, {14, 27, 25}, 4));
}

TEST_CASE("boxes go back through a placement, and end at the image's edges") {
  const data::Placement placement{{1.0, 2.0, 0.5}, {0.0, -4.0, 3.0}};
  const auto boxes = restore_boxes({{{10, 5, 20, 30}, 0.9F, 1}, {{0, 0, 4, 2}, 0.8F, 0}, {{0, 1, 500, 400}, 0.7F, 0}},
                                   placement, {1, 100, 50});
  REQUIRE(boxes.size() == 2);  // the second one lies above the image
  CHECK(boxes[0].box.left == 8.0F);
  CHECK(boxes[0].box.top == 6.0F);
  CHECK(boxes[0].box.right == 13.0F);
  CHECK(boxes[0].box.bottom == 56.0F);
  CHECK(boxes[0].of_class == 1);
  CHECK(boxes[1].box.left == 3.0F);
  CHECK(boxes[1].box.top == 0.0F);
  CHECK(boxes[1].box.right == 50.0F);
  CHECK(boxes[1].box.bottom == 100.0F);
}

}  // namespace consilium::predict
