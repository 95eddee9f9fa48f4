#include "client/trainer/data/prepare.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "client/trainer/data/resample.h"
#include "tests/catch.h"
#include "tests/unit/client/trainer/data/item_files.h"

namespace consilium::data::testing {
namespace {

/// Returns a table of one image, optionally with a mask.
struct OneItem {
  Folder folder;
  trainer::DataSource source{.type = "table", .path = folder.path.string()};

  explicit OneItem(bool mask = false) {
    source.labels.table = "labels.csv";
    if (mask) source.labels.mask = "mask";
    spill(folder.path / "labels.csv", mask ? "file,mask\nimage.npy,mask.npy\n" : "file\nimage.npy\n");
  }

  Result<PreparedItem> load(const std::vector<std::int64_t>& input, std::int64_t plane = 0) const {
    CONSILIUM_ASSIGN(const Preparation preparation, Preparation::create(source, input));
    CONSILIUM_ASSIGN(const Collection collection, list(source));
    return preparation.load(collection, collection.items[0], plane);
  }
};

std::vector<float> ramp(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0F);
  return values;
}

TEST_CASE("an image of the model's size is taken as it is, and bytes become 0 to 1 when it is normalised") {
  const OneItem one;
  write_image(one.folder.path / "image.npy", 1, 3, {0, 51, 255});
  PreparedItem item = one.load({1, 1, 3}).value();
  CHECK(item.image.bytes);
  CHECK(item.image.values == std::vector<float>{0, 51, 255});
  const Preparation preparation = Preparation::create(one.source, {1, 1, 3}).value();
  preparation.normalise(item, {});
  CHECK(item.image.values == std::vector<float>{0.0F, 0.2F, 1.0F});
}

TEST_CASE("another size needs to be asked for") {
  OneItem one;
  write_image(one.folder.path / "image.npy", 2, 2, {0, 10, 20, 30});
  check_refusal(one.load({1, 4, 4}),
                {"image.npy (labels.csv, line 2)", "1 x 2 x 2 voxels, but the model expects 1 x 4 x 4"});
  one.source.preprocess.size = {3, 3};
  check_refusal(one.load({1, 4, 4}), {"preprocess: size: expected the model's [4, 4], found [3, 3]"});
  one.source.preprocess.size = {4, 4};
  const Volume stretched = one.load({1, 4, 4}).value().image;
  CHECK(stretched.values.front() == 0.0F);
  CHECK(stretched.values.back() == 30.0F);
  CHECK(stretched.values[5] == 8.0F);  // a quarter of the way in both directions: 7.5, and bytes stay integers
  one.source.preprocess.fit = trainer::Preprocess::Fit::kCrop;
  CHECK(one.load({1, 4, 4}).value().image.values ==
        std::vector<float>{0, 0, 0, 0, 0, 0, 10, 0, 0, 20, 30, 0, 0, 0, 0, 0});
}

TEST_CASE("padding keeps the aspect, and a mask and boxes follow the image") {
  OneItem one(true);
  write_image(one.folder.path / "image.npy", 2, 4, {1, 1, 9, 9, 1, 1, 9, 9});
  write_image(one.folder.path / "mask.npy", 2, 4, {0, 0, 1, 1, 0, 0, 1, 1});
  one.source.preprocess.size = {8, 8};
  one.source.preprocess.fit = trainer::Preprocess::Fit::kPad;
  const PreparedItem item = one.load({1, 8, 8}).value();
  const Mask mask = std::get<Mask>(item.target);
  CHECK(mask.shape == std::vector<std::int64_t>{8, 8});
  for (std::size_t i = 0; i < 64; ++i) {
    const bool inside = i / 8 >= 2 && i / 8 < 6;
    CHECK(mask.classes[i] == (inside && i % 8 >= 4 ? 1 : 0));
  }
  Boxes boxes{{{0, 0, 2, 1, 0}}};
  resize(boxes, {1, 2, 4}, {1, 4, 16});
  CHECK(boxes.boxes[0] == Box{0, 0, 8, 2, 0});
}

TEST_CASE("a window maps its ends to 0 and 1, and a crop keeps what is above its limit") {
  OneItem one;
  write_volume(one.folder.path / "image.npy", {1, 3, 5}, {0, 0, 0, 0, 0, 0, 0, 50, 100, 0, 0, 0, 0, 0, 0});
  spill(one.folder.path / "image.npy",
        npy(dictionary("<f4", "(3, 5)"), bytes_of(std::vector<float>{0, 0, 0, 0, 0, 0, 0, 50, 100, 0, 0, 0, 0, 0, 0})));
  one.source.preprocess.crop = 1.0;
  one.source.preprocess.window = std::array{0.0, 200.0};
  CHECK(one.load({1, 1, 2}).value().image.values == std::vector<float>{0.25F, 0.5F});
  one.source.preprocess.crop_margin = 1;
  CHECK(one.load({1, 3, 4}).value().image.values.size() == 12);
}

TEST_CASE("values are normalised by the image, the site, or as fixed") {
  OneItem one;
  spill(one.folder.path / "image.npy", npy(dictionary("<f4", "(1, 4)"), bytes_of(std::vector<float>{2, 4, 6, 8})));
  const auto normalised = [&](const Scale& site) {
    PreparedItem item = one.load({1, 1, 4}).value();
    Preparation::create(one.source, {1, 1, 4}).value().normalise(item, site);
    return item.image.values;
  };
  one.source.preprocess.normalise = trainer::Preprocess::Normalise::kImage;
  const auto by_image = normalised({});
  CHECK(by_image[0] == Approx(-3.0 / std::sqrt(5.0)));
  CHECK(std::accumulate(by_image.begin(), by_image.end(), 0.0) == Approx(0.0).margin(1e-5));
  one.source.preprocess.normalise = trainer::Preprocess::Normalise::kSite;
  CHECK(normalised({{4.0F}, {2.0F}}) == std::vector<float>{-1, 0, 1, 2});
  one.source.preprocess.normalise = trainer::Preprocess::Normalise::kFixed;
  one.source.preprocess.mean = {2.0};
  one.source.preprocess.std = {4.0};
  CHECK(normalised({}) == std::vector<float>{0.0F, 0.5F, 1.0F, 1.5F});
}

TEST_CASE("a volume is cut into planes along each axis") {
  OneItem one;
  write_volume(one.folder.path / "image.npy", {5, 2, 3 * 2}, ramp(60));
  check_refusal(one.load({1, 2, 6}), {"a volume of 5 x 2 x 6", "preprocess.slices"});
  const auto planes = [&](trainer::Preprocess::Slices slices, const std::vector<std::int64_t>& input) {
    one.source.preprocess.slices = slices;
    const Collection collection = list(one.source).value();
    return Preparation::create(one.source, input).value().planes_of(collection, collection.items[0]).value();
  };
  using Slices = trainer::Preprocess::Slices;
  CHECK(planes(Slices::kAxial, {1, 2, 6}) == 5);
  CHECK(one.load({1, 2, 6}, 1).value().image.values.front() == 12.0F);
  CHECK(planes(Slices::kCoronal, {1, 5, 6}) == 2);
  CHECK(one.load({1, 5, 6}, 1).value().image.values[6] == 18.0F);
  CHECK(planes(Slices::kSagittal, {1, 5, 2}) == 6);
  CHECK(one.load({1, 5, 2}, 2).value().image.values == std::vector<float>{2, 8, 14, 20, 26, 32, 38, 44, 50, 56});
}

TEST_CASE("a volume is brought to a spacing") {
  const Volume volume{1, {2, 2, 4}, ramp(16), {3.0, 1.0, 1.0}, false, false};
  const Volume doubled = resize(volume, {2, 2, 8});
  CHECK(doubled.values[0] == 0.0F);
  CHECK(doubled.values[1] == 0.25F);
  CHECK(doubled.spacing == std::array<double, 3>{3.0, 1.0, 0.5});
  const Volume halved = resize(volume, {2, 2, 2});
  CHECK(halved.values[0] == 0.625F);  // midway between the averages around 0 and 1, 0.25 and 1
}

TEST_CASE("patches lie inside, repeat by their stream, and half of them on the foreground") {
  OneItem one(true);
  std::vector<std::uint8_t> pixels(64 * 64, 0), mask(64 * 64, 0);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i % 251);
  mask[50 * 64 + 10] = 1;
  write_image(one.folder.path / "image.npy", 64, 64, pixels);
  write_image(one.folder.path / "mask.npy", 64, 64, mask);
  one.source.preprocess.patch = {16, 16};
  const Preparation preparation = Preparation::create(one.source, {1, 16, 16}).value();
  const PreparedItem whole = one.load({1, 16, 16}).value();
  const auto patch = [&](int number) {
    PreparedItem item = whole;
    RandomStream stream(1, RandomPurpose::kAugmentation, 0, std::to_string(number));
    preparation.cut_patch(item, stream);
    return item;
  };
  int foreground = 0;
  for (int i = 0; i < 200; ++i) {
    const PreparedItem item = patch(i);
    REQUIRE(item.image.sides == Sides{1, 16, 16});
    const auto& classes = std::get<Mask>(item.target).classes;
    foreground += std::count(classes.begin(), classes.end(), 1) > 0 ? 1 : 0;
    CHECK(item.image.values == patch(i).image.values);
  }
  CHECK(foreground > 80);
  CHECK(foreground < 140);
}

TEST_CASE("a mask of another size than its image, or of values that are no classes, is refused") {
  OneItem one(true);
  write_image(one.folder.path / "image.npy", 2, 2, {0, 1, 2, 3});
  write_image(one.folder.path / "mask.npy", 1, 2, {0, 1});
  check_refusal(one.load({1, 2, 2}), {"image.npy", "the mask has 1 x 1 x 2 voxels, but its image has 1 x 2 x 2"});
  spill(one.folder.path / "mask.npy", npy(dictionary("<f4", "(2, 2)"), bytes_of(std::vector<float>{0, 0.5F, 1, 300})));
  check_refusal(one.load({1, 2, 2}), {"the mask holds the value 0.5, expected classes from 0 to 255"});
  one.source.labels.threshold = 0.7;
  CHECK(std::get<Mask>(one.load({1, 2, 2}).value().target).classes == std::vector<std::uint8_t>{0, 0, 1, 1});
}

TEST_CASE("channels follow the model: grey is repeated, colour weighed, alpha dropped") {
  Volume grey{1, {1, 1, 2}, {10, 20}, {1, 1, 1}, true, true};
  REQUIRE(set_channels(grey, 3));
  CHECK(grey.values == std::vector<float>{10, 20, 10, 20, 10, 20});
  Volume colour{4, {1, 1, 1}, {100, 200, 50, 255}, {1, 1, 1}, true, true};
  REQUIRE(set_channels(colour, 1));
  CHECK(colour.values == std::vector<float>{153});
  check_refusal(set_channels(colour = Volume{5, {1, 1, 1}, {1, 2, 3, 4, 5}, {1, 1, 1}, true, true}, 3),
                {"has 5 channels, but the model expects 3"});
}

TEST_CASE("broken numpy images are refused") {
  const OneItem one;
  const auto refused = [&](const std::string& bytes, const std::string& part) {
    spill(one.folder.path / "image.npy", bytes);
    check_refusal(one.load({1, 2, 2}), {"image.npy", part});
  };
  refused("", "truncated");
  refused(npy(dictionary("|u1", "(2, 2)"), "123"), "declares 4 bytes of data, but the file has 3");
  refused(npy(dictionary("|u1", "(2, 2)"), "12345"), "more bytes");
  refused(npy(dictionary("|u1", "(1048576, 1048576)"), "1"), "more than the");
  refused(npy(dictionary("<f4", "(1, 1)"), bytes_of(std::vector<float>{NAN})), "NaN");
  refused(npy(dictionary("<i8", "(1, 1)"), bytes_of(std::vector<std::int64_t>{1LL << 40})),
          "which doesn't fit into 32 bits");
  refused(npy(dictionary("|u1", "(2,)"), "12"), "has 1 dimensions");
}

}  // namespace
}  // namespace consilium::data::testing
