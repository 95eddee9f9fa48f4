#include "client/trainer/data/loader.h"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "client/trainer/data/augment.h"
#include "tests/catch.h"
#include "tests/unit/client/trainer/data/item_files.h"

namespace consilium::data::testing {
namespace {

namespace fs = std::filesystem;

/// Writes forty images of two classes into an image folder.
struct Forty {
  Folder folder;
  trainer::DataSource source{.type = "image_folder", .path = folder.path.string()};

  Forty() {
    for (int i = 0; i < 40; ++i) {
      std::vector<std::uint8_t> pixels(8 * 8);
      for (std::size_t k = 0; k < pixels.size(); ++k)
        pixels[k] = static_cast<std::uint8_t>((k * 7 + static_cast<std::size_t>(i) * 31) % 256);
      write_image(folder.path / (i % 2 == 0 ? "even" : "odd") / (std::to_string(i) + ".npy"), 8, 8, pixels);
    }
  }
  [[nodiscard]] Result<std::shared_ptr<const ItemSet>> open() const {
    return ItemSet::open(source, {1, 8, 8}, 2, nullptr);
  }
};

trainer::Augment everything() {
  trainer::Augment augment;
  augment.flip = {true, true, true};
  augment.rotate = 20;
  augment.scale = 0.2;
  augment.shift = 0.1;
  augment.elastic = 0.5;
  augment.intensity = 0.2;
  augment.noise = 0.1;
  return augment;
}

std::vector<std::vector<float>> epoch_of(const std::shared_ptr<const ItemSet>& set, const Draw& draw,
                                         bool reverse = false, std::size_t most = 1000) {
  Loader loader(set, job::Split::kTrain, true);
  std::vector<std::int64_t> order(loader.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  if (reverse) std::reverse(order.begin(), order.end());
  loader.begin(draw, order);
  std::vector<std::vector<float>> images(order.size());
  for (std::size_t i = 0; i < std::min(most, order.size()); ++i)
    images[static_cast<std::size_t>(order[i])] = loader.take(order[i]).value().image.values;
  return images;
}

TEST_CASE("what is loaded doesn't depend on threads, cache or order, but on seed, round, site and epoch") {
  Forty forty;
  forty.source.augment = everything();
  forty.source.loading.threads = 1;
  const Draw draw{7, 3, "north", 2};
  const auto one = epoch_of(forty.open().value(), draw);
  REQUIRE(one.size() == 32);
  forty.source.loading.threads = 4;
  forty.source.loading.cache_bytes = 0;
  const auto set = forty.open().value();
  CHECK(epoch_of(set, draw) == one);
  CHECK(epoch_of(set, draw, true) == one);
  forty.source.loading.cache_bytes = 1500;  // some of the items
  CHECK(epoch_of(forty.open().value(), draw) == one);
  for (const Draw& other :
       {Draw{8, 3, "north", 2}, Draw{7, 4, "north", 2}, Draw{7, 3, "south", 2}, Draw{7, 3, "north", 3}})
    CHECK(epoch_of(set, other) != one);
}

TEST_CASE("an epoch may be left in the middle, and a row asked for that is not the next") {
  Forty forty;
  forty.source.loading.threads = 3;
  const auto set = forty.open().value();
  const auto whole = epoch_of(set, {});
  (void)epoch_of(set, {}, false, 5);
  Loader loader(set, job::Split::kTrain, true);
  const std::vector<std::int64_t> order{3, 1, 2};
  loader.begin({}, order);
  CHECK(loader.take(2).value().image.values == whole[2]);
  CHECK(loader.take(3).value().image.values == whole[3]);
  loader.begin({}, order);
  for (const std::int64_t row : order)
    CHECK(loader.take(row).value().image.values == whole[static_cast<std::size_t>(row)]);
}

TEST_CASE("files that can't be read are left out up to a share, each with its reason") {
  Forty forty;
  spill(forty.folder.path / "even" / "broken.npy", "x");
  const auto set = forty.open().value();
  CHECK(set->examples(job::Split::kTrain).size() + set->examples(job::Split::kVal).size() +
            set->examples(job::Split::kTest).size() ==
        40);
  REQUIRE(set->notes().size() == 1);
  CHECK_THAT(set->notes()[0], Catch::Contains("even/broken.npy"));
  forty.source.loading.unreadable = 0.01;
  check_refusal(forty.open(), {"1 of 41 files can't be read", "loading.unreadable", "even/broken.npy"});
}

TEST_CASE("equal images in two splits are noted, and targets that the model hasn't are refused") {
  Folder folder;
  for (const char* name : {"train/x/a.npy", "test/x/b.npy", "train/y/c.npy"})
    write_small(folder.path / name, name[0] == 't' && name[6] == 'y' ? 9 : 1);
  trainer::DataSource source{.type = "image_folder", .path = folder.path.string()};
  source.split.folders = true;
  const auto set = ItemSet::open(source, {1, 2, 2}, 2, nullptr).value();
  REQUIRE(set->notes().size() == 1);
  CHECK_THAT(set->notes()[0], Catch::Contains("the same image is in two splits") && Catch::Contains("train/x/a.npy") &&
                                  Catch::Contains("test/x/b.npy"));
  check_refusal(ItemSet::open(source, {1, 2, 2}, 1, nullptr),
                {"train/y/c.npy", "names class 1, but the model has 1 classes"});
}

TEST_CASE("the site's own scale is that of its training images") {
  Folder folder;
  write_image(folder.path / "train" / "x" / "a.npy", 1, 2, {0, 51});
  write_image(folder.path / "test" / "x" / "b.npy", 1, 2, {255, 255});
  trainer::DataSource source{.type = "image_folder", .path = folder.path.string()};
  source.split.folders = true;
  const auto set = ItemSet::open(source, {1, 1, 2}, 1, nullptr).value();
  CHECK(set->site_scale().mean[0] == Approx(0.1));
  CHECK(set->site_scale().deviation[0] == Approx(0.1));
}

TEST_CASE("patches and planes make examples of their own") {
  Folder folder;
  write_volume(folder.path / "a.npy", {6, 8, 8}, std::vector<float>(6 * 8 * 8, 1.0F));
  spill(folder.path / "labels.csv", "file,part\na.npy,train\n");
  trainer::DataSource source{.type = "table", .path = folder.path.string()};
  source.labels.table = "labels.csv";
  source.split.column = "part";
  source.preprocess.slices = trainer::Preprocess::Slices::kAxial;
  CHECK(ItemSet::open(source, {1, 8, 8}, 1, nullptr).value()->examples(job::Split::kTrain).size() == 6);
  source.preprocess.patch = {4, 4};
  source.preprocess.patches_per_item = 3;
  CHECK(ItemSet::open(source, {1, 4, 4}, 1, nullptr).value()->examples(job::Split::kTrain).size() == 18);
}

TEST_CASE("a mask and a box move with their image") {
  // A bright rectangle, its mask and its box stay aligned, whatever is drawn.
  const trainer::Augment augment = [] {
    trainer::Augment all = everything();
    all.intensity = all.noise = 0.0;
    return all;
  }();
  for (int drawn = 0; drawn < 30; ++drawn) {
    PreparedItem item{Volume{1, {1, 64, 64}, std::vector<float>(64 * 64, 0.0F), {1, 1, 1}, true, false},
                      Mask{{64, 64}, std::vector<std::uint8_t>(64 * 64, 0)}};
    for (std::size_t h = 24; h < 36; ++h)
      for (std::size_t w = 20; w < 40; ++w) {
        item.image.values[h * 64 + w] = 1.0F;
        std::get<Mask>(item.target).classes[h * 64 + w] = 1;
      }
    PreparedItem boxed = item;
    boxed.target = Boxes{{{20, 24, 40, 36, 5}}};
    RandomStream first(1, RandomPurpose::kAugmentation, 0, std::to_string(drawn)), second = first;
    move_pixels(item, augment, first);
    move_pixels(boxed, augment, second);
    REQUIRE(boxed.image.values == item.image.values);
    const auto& classes = std::get<Mask>(item.target).classes;
    int wrong = 0;
    float left = 64, top = 64, right = 0, bottom = 0;
    for (std::size_t i = 0; i < classes.size(); ++i) {
      wrong += (item.image.values[i] > 0.5F) != (classes[i] == 1) ? 1 : 0;
      if (classes[i] == 0) continue;
      left = std::min(left, static_cast<float>(i % 64));
      right = std::max(right, static_cast<float>(i % 64 + 1));
      top = std::min(top, static_cast<float>(i / 64));
      bottom = std::max(bottom, static_cast<float>(i / 64 + 1));
    }
    CHECK(wrong <= 8);
    const auto& boxes = std::get<Boxes>(boxed.target).boxes;
    REQUIRE(boxes.size() == 1);
    CHECK(boxes[0].label == 5);
    CHECK(std::abs(boxes[0].left - left) < 2.0F);
    CHECK(std::abs(boxes[0].right - right) < 2.0F);
    CHECK(std::abs(boxes[0].top - top) < 2.0F);
    CHECK(std::abs(boxes[0].bottom - bottom) < 2.0F);
  }
}

TEST_CASE("each random change does what it is called") {
  const auto changed = [](const trainer::Augment& augment, const std::string& name) {
    PreparedItem item{Volume{1, {1, 2, 2}, {1, 2, 3, 4}, {1, 1, 1}, true, false}, ClassLabel{}};
    RandomStream stream(1, RandomPurpose::kAugmentation, 0, name);
    move_pixels(item, augment, stream);
    change_values(item.image, augment, stream);
    return item.image.values;
  };
  trainer::Augment flip;
  flip.flip = {false, false, true};
  int flipped = 0;
  for (int i = 0; i < 100; ++i) {
    const auto values = changed(flip, std::to_string(i));
    const bool turned = values == std::vector<float>{2, 1, 4, 3};
    CHECK((turned || values == std::vector<float>{1, 2, 3, 4}));
    flipped += turned ? 1 : 0;
  }
  CHECK(flipped > 30);
  CHECK(flipped < 70);
  CHECK(changed({}, "x") == std::vector<float>{1, 2, 3, 4});
  trainer::Augment noise;
  noise.noise = 0.1;
  CHECK(changed(noise, "x") != std::vector<float>{1, 2, 3, 4});
  trainer::Augment intensity;
  intensity.intensity = 0.5;
  const auto brighter = changed(intensity, "x");
  CHECK(brighter[1] - brighter[0] == Approx(brighter[3] - brighter[2]));
  CHECK(brighter[0] != 1.0F);
}

}  // namespace
}  // namespace consilium::data::testing
