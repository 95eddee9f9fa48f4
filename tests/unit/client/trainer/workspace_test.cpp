#include "client/trainer/workspace.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <fstream>
#include <numeric>
#include <vector>

#include "client/trainer/training/evaluation.h"
#include "tests/unit/client/trainer/data/files.h"
#include "trainer_program.h"

namespace consilium::trainer {
namespace {

using namespace testing;

Prepare prepare_for(const std::filesystem::path& file) {
  Prepare request;
  request.model.layers = {model::Flatten{}, model::Linear{.out_features = 2}};
  request.model.input = {1, 4, 4};
  request.model.classes = 2;
  request.data = {.type = "npz", .path = file.string()};
  request.parameter_count = 34;
  return request;
}

TEST_CASE("data sets and the network stay between requests, the oldest data go first") {
  Folder folder;
  for (const char* name : {"a.npz", "b.npz", "c.npz"}) {
    REQUIRE(data::write_npz(folder / name, small_dataset(40, 10)));  // 50 examples of 16 + 8 bytes
  }
  Workspace workspace(at::kCPU, 2 * 50 * 24);
  (void)value_of(workspace.prepare(prepare_for(folder / "a.npz")));
  const Network* network = workspace.network();
  const ExampleSource* first = &workspace.split(job::Split::kTrain);
  (void)value_of(workspace.prepare(prepare_for(folder / "b.npz")));
  CHECK(workspace.network() == network);
  (void)value_of(workspace.prepare(prepare_for(folder / "a.npz")));
  CHECK(&workspace.split(job::Split::kTrain) == first);
  (void)value_of(workspace.prepare(prepare_for(folder / "c.npz")));
  CHECK(workspace.cached_datasets() == 2);
  (void)value_of(workspace.prepare(prepare_for(folder / "a.npz")));
  CHECK(&workspace.split(job::Split::kTrain) == first);  // b was evicted
}

TEST_CASE("a job of another precision gets a network of its own") {
  Folder folder;
  REQUIRE(data::write_npz(folder / "a.npz", small_dataset(40, 10)));
  Workspace workspace(at::kCPU);
  Prepare request = prepare_for(folder / "a.npz");
  (void)value_of(workspace.prepare(request));
  CHECK(workspace.network()->precision() == job::Precision::kFloat32);
  request.precision = job::Precision::kBfloat16;
  (void)value_of(workspace.prepare(request));
  CHECK(workspace.network()->precision() == job::Precision::kBfloat16);
}

TEST_CASE("a file that changed is read again, even where its size is the same") {
  Folder folder;
  const auto file = folder / "a.npz";
  REQUIRE(data::write_npz(file, small_dataset(40, 10)));
  const auto size = std::filesystem::file_size(file);
  Workspace workspace(at::kCPU);
  (void)value_of(workspace.prepare(prepare_for(file)));

  data::Dataset changed = small_dataset(40, 10);
  for (auto& label : changed.train.labels) label = 1;
  REQUIRE(data::write_npz(file, changed));
  REQUIRE(std::filesystem::file_size(file) == size);
  const std::vector<std::uint64_t> expected{0, 40};
  CHECK(value_of(workspace.prepare(prepare_for(file))).class_examples == expected);
}

TEST_CASE("the task and its loss are the latest request's, and data without its targets are refused") {
  Folder folder;
  REQUIRE(data::write_npz(folder / "a.npz", small_dataset(40, 10)));
  Workspace workspace(at::kCPU);
  Prepare request = prepare_for(folder / "a.npz");
  (void)value_of(workspace.prepare(request));
  CHECK(workspace.task().is_plain_cross_entropy());
  request.loss.label_smoothing = 0.1;
  (void)value_of(workspace.prepare(request));
  CHECK_FALSE(workspace.task().is_plain_cross_entropy());
  CHECK(workspace.cached_datasets() == 1);
  request.task = task::default_task(task::TaskKind::kMultiLabel);
  CHECK(workspace.prepare(request).error().code == ErrorCode::kInvalidArgument);  // a loss of another task
  request.loss = task::default_loss(request.task.kind);
  const auto refused = workspace.prepare(request);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("targets are of the kind 'class', but a job of multi_label needs 'labels'") !=
        std::string::npos);
  CHECK(workspace.network() == nullptr);
}

TEST_CASE("a data set that alone exceeds the cache is used all the same") {
  Folder folder;
  REQUIRE(data::write_npz(folder / "a.npz", small_dataset(40, 10)));
  Workspace workspace(at::kCPU, 1);
  CHECK(value_of(workspace.prepare(prepare_for(folder / "a.npz"))).val_examples == 10);
  CHECK(workspace.split(job::Split::kVal).size() == 10);
}

TEST_CASE("another model on the same data builds another network") {
  Folder folder;
  REQUIRE(data::write_npz(folder / "a.npz", small_dataset(40, 10)));
  Workspace workspace(at::kCPU);
  (void)value_of(workspace.prepare(prepare_for(folder / "a.npz")));
  Prepare other = prepare_for(folder / "a.npz");
  other.model.layers.insert(other.model.layers.begin() + 1, model::Linear{.out_features = 3});
  other.parameter_count = 16 * 3 + 3 + 3 * 2 + 2;
  (void)value_of(workspace.prepare(other));
  CHECK(workspace.network()->manifest().parameter_count() == other.parameter_count);
  CHECK(workspace.cached_datasets() == 1);
}

TEST_CASE("a folder of images gives the batches that an array of the same images gives") {
  Folder folder;
  const data::Dataset dataset = small_dataset(20, 0);
  REQUIRE(data::write_npz(folder / "a.npz", dataset));
  write_images(folder, dataset);
  Prepare arrays = prepare_for(folder / "a.npz");
  arrays.normalize = job::Normalization{.mean = {0.5}, .std = {0.25}};
  Prepare images = arrays;
  images.data = {.type = "image_folder", .path = (folder / "images").string()};
  images.data.split.folders = true;
  Workspace workspace(at::kCPU);
  const Prepared expected = value_of(workspace.prepare(arrays));
  // The folder's items are sorted by class: 0, 2, 4, ... and then 1, 3, 5, ...
  const std::vector<std::int64_t> rows{0, 2, 4, 1, 3}, same{0, 1, 2, 10, 11};
  const Batch in_memory = value_of(workspace.split(job::Split::kTrain).batch(rows));
  CHECK(value_of(workspace.prepare(images)) == expected);
  const ExampleSource& split = workspace.training();
  split.begin({.seed = 1, .round = 1, .site = "north", .epoch = 1}, same);
  const Batch loaded = value_of(split.batch(same));
  CHECK(at::equal(loaded.target.values, in_memory.target.values));
  CHECK(at::allclose(loaded.images, in_memory.images, 1e-6, 1e-6));
}

TEST_CASE("an array that is prepared or augmented is loaded item by item, and repeats") {
  Folder folder;
  REQUIRE(data::write_npz(folder / "a.npz", small_dataset(20, 6)));
  Prepare request = prepare_for(folder / "a.npz");
  request.data.preprocess.normalise = Preprocess::Normalise::kImage;
  request.data.augment.flip = {false, false, true};
  Workspace workspace(at::kCPU);
  CHECK(value_of(workspace.prepare(request)).val_examples == 6);
  const std::vector<std::int64_t> rows{3, 1, 2};
  const auto batch_of = [&](std::uint32_t epoch) {
    const ExampleSource& split = workspace.training();
    split.begin({.seed = 1, .round = 1, .site = "north", .epoch = epoch}, rows);
    return value_of(split.batch(rows)).images;
  };
  const at::Tensor first = batch_of(1);
  CHECK(std::abs(first.mean().item<double>()) < 1e-5);
  CHECK(at::equal(batch_of(1), first));
  bool changed = false;
  for (std::uint32_t epoch = 2; epoch < 12; ++epoch) changed = changed || !at::equal(batch_of(epoch), first);
  CHECK(changed);
}

/// Writes volumes of one channel with a mask each: 3 to train on, 2 for validation.
void write_masked_volumes(const std::filesystem::path& file) {
  const auto npy = [](const std::string& shape, std::size_t count, auto value) {
    const std::string dictionary = "{'descr': '|u1', 'fortran_order': False, 'shape': " + shape + ", }\n";
    std::string bytes("\x93NUMPY\x01\x00", 8);
    bytes.push_back(static_cast<char>(dictionary.size()));
    bytes.push_back('\0');
    bytes += dictionary;
    for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<char>(value(i)));
    return bytes;
  };
  constexpr std::size_t kVoxels = 5 * 9 * 7;
  const auto image = [](std::size_t i) { return i * 7 % 256; };
  const auto mask = [](std::size_t i) { return i * 7 % 256 > 127 ? 1 : 0; };
  data::testing::write_zip(file, {{"train_images.npy", npy("(3, 5, 9, 7)", 3 * kVoxels, image)},
                                  {"train_masks.npy", npy("(3, 5, 9, 7)", 3 * kVoxels, mask)},
                                  {"val_images.npy", npy("(2, 5, 9, 7)", 2 * kVoxels, image)},
                                  {"val_masks.npy", npy("(2, 5, 9, 7)", 2 * kVoxels, mask)}});
}

TEST_CASE("volumes and masks in an npz file train a segmentation in patches, and are evaluated whole") {
  Folder folder;
  write_masked_volumes(folder / "a.npz");
  Prepare request = prepare_for(folder / "a.npz");
  request.model.layers = {model::Conv{.out_channels = 2, .kernel = {1}}};
  request.model.input = {1, 4, 4, 4};
  request.parameter_count = 4;
  request.task = task::default_task(task::TaskKind::kSegmentation);
  request.loss = task::default_loss(request.task.kind);
  request.data.preprocess.patch = {4, 4, 4};
  request.data.preprocess.patches_per_item = 5;
  Workspace workspace(at::kCPU);
  const Prepared prepared = value_of(workspace.prepare(request));
  CHECK(prepared.train_examples == 15);
  CHECK(prepared.val_examples == 2);
  CHECK(workspace.training().size() == 15);
  std::vector<std::uint64_t> counts(workspace.task().task().evaluation_elements());
  // Class 1 if the image, 0 to 1, is above one half: the mask itself.
  const std::vector<float> weights{-1.0F, 1.0F, 1.0F, 0.0F};
  (void)value_of(
      evaluate(*workspace.network(), workspace.task(), workspace.split(job::Split::kVal), 8, weights, counts, {}));
  const task::Metrics metrics = value_of(workspace.task().task().metrics(counts));
  CHECK(metrics.examples == 2);
  const auto dice = std::ranges::find(metrics.values, "dice", &task::Metric::name);
  REQUIRE(dice != metrics.values.end());
  CHECK(dice->value == Approx(1.0));
}

TEST_CASE("what goes to the client about a broken data set names no file") {
  Folder folder;
  write_images(folder, small_dataset(4, 0));
  std::ofstream(folder / "images/train/0/Jane-Roe.npy") << "broken";
  Prepare request = prepare_for(folder / "images");
  request.data.type = "image_folder";
  request.data.split.folders = true;
  Workspace workspace(at::kCPU);
  const auto refused = workspace.prepare(request);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "the data set can't be used; the site's log says why");
  request.data.loading.unreadable = 0.5;
  CHECK(value_of(workspace.prepare(request)).train_examples == 4);
}

}  // namespace
}  // namespace consilium::trainer
