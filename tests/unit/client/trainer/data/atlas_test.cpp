#include "client/trainer/data/atlas.h"

#include <cmath>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "client/trainer/data/augment.h"
#include "client/trainer/data/prepare.h"
#include "common/crypto/sha256.h"
#include "tests/catch.h"
#include "tests/unit/client/trainer/data/item_files.h"

namespace consilium::data::testing {
namespace {

using Catch::Contains;

/// Voxels of 2 x 1 x 3 mm, rotated by 30 degrees around the body's axis, columns from right to left.
const Affine kOblique{-1.7320508, -0.5, 0.0, 40.0, -1.0, 0.8660254, 0.0, -10.0, 0.0, 0.0, 3.0, -20.0};

/// A value that is linear in the patient's space, so that interpolation between voxels is exact.
double value_at(const Affine& space, double column, double row, double slice) {
  double mm[3];
  for (std::size_t i = 0; i < 3; ++i)
    mm[i] = space[4 * i] * column + space[4 * i + 1] * row + space[4 * i + 2] * slice + space[4 * i + 3];
  return 500.0 + 2.0 * mm[0] - 3.0 * mm[1] + 0.5 * mm[2];
}

/// Returns a volume of those values at its voxels.
Volume filled(const Affine& space, const Sides& sides) {
  Volume volume;
  volume.sides = sides;
  volume.flat = false;
  volume.space = space;
  for (std::int64_t d = 0; d < sides[0]; ++d) {
    for (std::int64_t h = 0; h < sides[1]; ++h) {
      for (std::int64_t w = 0; w < sides[2]; ++w)
        volume.values.push_back(static_cast<float>(
            value_at(space, static_cast<double>(w), static_cast<double>(h), static_cast<double>(d))));
    }
  }
  return volume;
}

std::shared_ptr<const Atlas> atlas_of(const Affine& space, const Sides& sides) {
  return Atlas::create(filled(space, sides), space).value();
}

void check_alike(const Volume& found, const Volume& expected) {
  REQUIRE(found.sides == expected.sides);
  REQUIRE(found.values.size() == expected.values.size());
  for (std::size_t i = 0; i < found.values.size(); ++i)
    CHECK(found.values[i] == Approx(expected.values[i]).margin(0.01));
}

TEST_CASE("an atlas has the same values at the same places of the patient, however its axes lie") {
  const Affine image{0.0, 0.7, 0.0, -5.0, 1.1, 0.0, 0.0, -4.0, 0.0, 0.0, -1.3, 6.0};
  const Sides sides{4, 5, 6};
  const Volume expected = filled(image, sides);
  const Affine straight{1, 0, 0, -60, 0, 1, 0, -60, 0, 0, 1, -60};
  const Affine flipped{-2, 0, 0, 60, 0, 0, 2, -60, 0, -2, 0, 60};
  check_alike(atlas_of(straight, {121, 121, 121})->at(image, {}, sides), expected);
  check_alike(atlas_of(flipped, {61, 61, 61})->at(image, {}, sides), expected);
  check_alike(atlas_of(kOblique, {14, 40, 40})->at(kOblique, {}, {14, 40, 40}), filled(kOblique, {14, 40, 40}));
}

TEST_CASE("an atlas follows where a prepared image lies in its own") {
  const Affine large{3, 0, 0, -150, 0, 3, 0, -150, 0, 0, 3, -150};
  const Placement placement{{2.0, 0.5, 4.0}, {1.0, -3.0, 2.5}};
  const Volume found = atlas_of(large, {101, 101, 101})->at(kOblique, placement, {3, 4, 5});
  std::size_t at = 0;
  for (int d = 0; d < 3; ++d) {
    for (int h = 0; h < 4; ++h) {
      for (int w = 0; w < 5; ++w, ++at) {
        // The centre of a voxel is half a voxel from its edge, before and after.
        const double expected =
            value_at(kOblique, 4.0 * (w + 0.5) + 2.5 - 0.5, 0.5 * (h + 0.5) - 3.0 - 0.5, 2.0 * (d + 0.5) + 1.0 - 0.5);
        CHECK(found.values[at] == Approx(expected).margin(0.01));
      }
    }
  }
}

TEST_CASE("outside of an atlas is 0, and its border fades over one voxel") {
  Volume maps;
  maps.channels = 2;
  maps.sides = {1, 1, 2};
  maps.flat = false;
  maps.values = {8.0F, 4.0F, 80.0F, 40.0F};
  const Affine identity{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
  const auto atlas = Atlas::create(maps, identity).value();
  const Affine half{0.5, 0, 0, -1.0, 0, 1, 0, 0, 0, 0, 1, 0};
  const Volume found = atlas->at(half, {}, {1, 1, 8});
  CHECK(found.channels == 2);
  CHECK(found.values == std::vector<float>{0, 4, 8, 6, 4, 2, 0, 0, 0, 40, 80, 60, 40, 20, 0, 0});
  const Affine nan{NAN, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
  CHECK(atlas->at(nan, {}, {1, 1, 2}).values == std::vector<float>{0, 0, 0, 0});
}

TEST_CASE("an atlas whose axes lie in a plane is refused") {
  const Affine flat{1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  CHECK_THAT(Atlas::create(filled(flat, {2, 2, 2}), flat).error().message, Contains("expected three independent axes"));
  const Affine nan{NAN, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
  CHECK_FALSE(Atlas::create(filled(kOblique, {2, 2, 2}), nan));
}

/// Decodes every file to the same image.
class SameDecoder : public ImageDecoder {
 public:
  explicit SameDecoder(DecodedImage image) : image_(std::move(image)) {}
  Result<DecodedImage> decode(const std::filesystem::path& /*file*/, const DecodeOptions& /*options*/) override {
    return image_;
  }

 private:
  DecodedImage image_;
};

TEST_CASE("a site's file has to be the job's atlas, with as many maps, and to know where it lies") {
  const Folder folder;
  const std::string file = folder.path / "map.nii";
  std::ofstream(file) << "maps";
  DecodedImage image;
  image.shape = {2, 1, 1, 3};
  image.pixels = std::vector<float>(6, 0.5F);
  image.has_position = true;
  const trainer::AtlasFile asked{file, crypto::sha256(std::string_view("maps")), 2};
  SameDecoder decoder(image);
  CHECK(Atlas::read(decoder, asked).value()->channels() == 2);

  trainer::AtlasFile other = asked;
  other.sha256[0] ^= 1;
  const auto refused = Atlas::read(decoder, other);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kFailedPrecondition);
  CHECK_THAT(refused.error().message,
             Contains("map.nii") && Contains(crypto::to_hex(asked.sha256)) && Contains(crypto::to_hex(other.sha256)));
  other = asked;
  other.channels = 3;
  CHECK_THAT(Atlas::read(decoder, other).error().message, Contains("expected 3 maps") && Contains("found 2"));
  image.has_position = false;
  SameDecoder lost(image);
  CHECK_THAT(Atlas::read(lost, asked).error().message, Contains("a volume with a position in space"));
  other = asked;
  other.path = folder.path / "gone.nii";
  CHECK(Atlas::read(decoder, other).error().code == ErrorCode::kNotFound);
}

/// Prepares volumes of 6 x 8 x 8 with an atlas that has the image's own values.
Preparation prepared_with(const std::shared_ptr<const Atlas>& atlas, const trainer::Preprocess& preprocess,
                          const std::vector<std::int64_t>& input) {
  trainer::DataSource source{.type = "nifti", .path = "/images"};
  source.preprocess = preprocess;
  return Preparation::create(source, input, atlas).value();
}

const Affine kWide{4, 0, 0, -400, 0, 4, 0, -400, 0, 0, 4, -400};

TEST_CASE("an atlas lies on its image after resampling, cutting, padding and random changes") {
  const auto atlas = atlas_of(kWide, {201, 201, 201});
  trainer::Preprocess preprocess;
  preprocess.spacing = {2.0, 2.0, 2.0};
  preprocess.patch = {8, 8, 8};
  const Preparation preparation = prepared_with(atlas, preprocess, {2, 8, 8, 8});
  Volume image = filled(kOblique, {6, 12, 9});
  image.spacing = {3.0, 1.0, 2.0};
  RandomStream stream(1, RandomPurpose::kAugmentation, 0, "atlas");
  for (int repetition = 0; repetition < 8; ++repetition) {
    PreparedItem item = preparation.prepare(image, 0).value();
    CHECK(item.image.channels == 1);
    if (repetition == 0) {
      preparation.pad_to_patch(item);
    } else {
      preparation.cut_patch(item, stream);
    }
    preparation.lay_atlas(item);
    REQUIRE(item.atlas.sides == item.image.sides);
    trainer::Augment augment;
    augment.flip = {true, true, true};
    augment.rotate = 20.0;
    augment.shift = 0.1;
    augment.elastic = 0.3;
    if (repetition > 3) move_pixels(item, augment, stream);
    Preparation::join_atlas(item);
    CHECK(item.image.channels == 2);
    const std::size_t plane = item.image.plane();
    REQUIRE(item.image.values.size() == 2 * plane);
    // At the edges the image's own border is padded or repeated; the atlas continues beyond it.
    std::size_t alike = 0;
    for (std::size_t i = 0; i < plane; ++i)
      alike += std::abs(item.image.values[i] - item.image.values[plane + i]) < 2.0F ? 1 : 0;
    CHECK(alike > plane / 4);
  }
}

TEST_CASE("a plane of a volume knows where it lies, along each axis") {
  const auto atlas = atlas_of(kWide, {201, 201, 201});
  for (const auto slices : {trainer::Preprocess::Slices::kAxial, trainer::Preprocess::Slices::kCoronal,
                            trainer::Preprocess::Slices::kSagittal}) {
    trainer::Preprocess preprocess;
    preprocess.slices = slices;
    const Preparation preparation = prepared_with(atlas, preprocess, {2, 5, 5});
    PreparedItem item = preparation.prepare(filled(kOblique, {5, 5, 5}), 3).value();
    preparation.lay_atlas(item);
    for (std::size_t i = 0; i < 25; ++i) CHECK(item.atlas.values[i] == Approx(item.image.values[i]).margin(0.01));
  }
}

TEST_CASE("normalising and changes of values leave an atlas as it is") {
  const auto atlas = atlas_of(kWide, {201, 201, 201});
  trainer::Preprocess preprocess;
  preprocess.normalise = trainer::Preprocess::Normalise::kImage;
  const Preparation preparation = prepared_with(atlas, preprocess, {2, 2, 2, 2});
  const Volume image = filled(kOblique, {2, 2, 2});
  PreparedItem item = preparation.prepare(image, 0).value();
  preparation.lay_atlas(item);
  preparation.normalise(item, {});
  trainer::Augment augment;
  augment.intensity = 0.5;
  RandomStream stream(1, RandomPurpose::kAugmentation, 0, "values");
  change_values(item.image, augment, stream);
  Preparation::join_atlas(item);
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(item.image.values[8 + i] == Approx(image.values[i]).margin(0.01));
    CHECK(std::abs(item.image.values[i]) < 5.0F);
  }
}

TEST_CASE("an image that doesn't know where it lies can't have an atlas") {
  const auto atlas = atlas_of(kWide, {201, 201, 201});
  const Preparation preparation = prepared_with(atlas, {}, {2, 2, 2, 2});
  Volume image = filled(kOblique, {2, 2, 2});
  image.space.reset();
  CHECK_THAT(preparation.prepare(image, 0).error().message, Contains("has no position in space"));
  trainer::DataSource source{.type = "nifti", .path = "/images"};
  CHECK_FALSE(Preparation::create(source, {1, 2, 2, 2}, atlas));
}

}  // namespace
}  // namespace consilium::data::testing
