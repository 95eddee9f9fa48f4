#include "client/trainer/training/sliding_window.h"

#include <c10/core/InferenceMode.h>

#include <array>
#include <numeric>
#include <string>

#include "client/trainer/training/evaluation.h"
#include "client/trainer/training/item_store.h"
#include "networks.h"
#include "tests/unit/client/trainer/data/item_files.h"

namespace consilium::trainer {
namespace {

using data::testing::Folder;
using testing::network_of;
using testing::test_device;
using testing::value_of;

using Size = std::vector<std::int64_t>;

constexpr std::int64_t kClasses = 3;

/// Returns one convolution from one channel to three classes.
model::ModelSpec map_model(const Size& sides, std::int64_t kernel) {
  model::ModelSpec spec;
  spec.layers = {model::Conv{.out_channels = kClasses, .kernel = {kernel}, .padding = {kernel / 2}}};
  spec.input = sides;
  spec.input.insert(spec.input.begin(), 1);
  spec.classes = kClasses;
  return spec;
}

/// Weights of a 1 x 1 convolution, and values of images, for which float32 computes without rounding.
ParameterVector exact_weights() { return {0.5F, -0.25F, 1.0F, 1.0F, 4.0F, -3.5F}; }

float value_at(std::size_t i, int image) {
  return static_cast<float>((i * 37 + i / 11 * 5 + static_cast<std::size_t>(image) * 101) % 17) - 4.0F;
}

std::unique_ptr<const LearningTask> segmentation() {
  const task::TaskSpec spec = task::default_task(task::TaskKind::kSegmentation);
  return value_of(make_learning_task(value_of(task::make_task(spec, kClasses)), task::default_loss(spec.kind), {}));
}

/// Returns images or volumes with masks of classes 0 to 2, all for validation except one for training.
struct Cases {
  Folder folder;
  DataSource source{.type = "table", .path = folder.path.string()};

  Cases(const std::vector<Size>& sizes, const Size& window) {
    std::string table = "file,mask,part\n";
    int number = 0;
    const auto add = [&](const Size& sides, const std::string& part) {
      const auto count =
          static_cast<std::size_t>(std::accumulate(sides.begin(), sides.end(), std::int64_t{1}, std::multiplies<>()));
      std::vector<float> values(count);
      std::vector<std::uint8_t> classes(count);
      for (std::size_t i = 0; i < count; ++i) {
        values[i] = value_at(i, number);
        classes[i] = static_cast<std::uint8_t>((i / 7 + i / 40 + static_cast<std::size_t>(number)) % kClasses);
      }
      std::string shape;
      for (const std::int64_t side : sides) shape += std::to_string(side) + ", ";
      const std::string name = std::to_string(number++);
      write(name + ".npy", "<f4", shape, data::testing::bytes_of(values));
      write(name + "_mask.npy", "|u1", shape, data::testing::bytes_of(classes));
      table += name + ".npy," + name + "_mask.npy," + part + "\n";
    };
    for (const Size& sides : sizes) add(sides, "val");
    add(window, "train");
    data::testing::spill(folder.path / "labels.csv", table);
    source.labels.table = "labels.csv";
    source.labels.mask = "mask";
    source.split.column = "part";
    source.preprocess.patch = window;
    source.preprocess.patches_per_item = 4;
  }
  void write(const std::string& name, const std::string& type, const std::string& shape,
             const std::string& bytes) const {
    data::testing::spill(folder.path / name,
                         data::testing::npy(data::testing::dictionary(type, "(" + shape + ")"), bytes));
  }
  [[nodiscard]] std::shared_ptr<const data::ItemSet> open() const {
    Size input = source.preprocess.patch;
    input.insert(input.begin(), 1);
    return value_of(data::ItemSet::open(source, input, kClasses, nullptr));
  }
  [[nodiscard]] std::vector<std::uint64_t> count(const ParameterVector& weights, std::int64_t kernel,
                                                 std::uint32_t batch_size) const {
    const auto network = network_of(map_model(source.preprocess.patch, kernel));
    const auto task = segmentation();
    const auto store = value_of(
        ItemStore::create(open(), job::Split::kVal, Use::kEvaluation, network->spec().input, {}, test_device()));
    std::vector<std::uint64_t> counts(task->task().evaluation_elements());
    (void)value_of(evaluate(*network, *task, *store, batch_size, weights, counts, {}));
    return counts;
  }
};

/// Returns the counts of the same cases, each computed at once by a network with the case's whole size as its input.
std::vector<std::uint64_t> counts_at_once(const std::vector<Size>& sizes, const ParameterVector& weights) {
  const auto task = segmentation();
  std::vector<std::uint64_t> counts(task->task().evaluation_elements());
  const auto counter = task->count_into(counts);
  const c10::InferenceMode guard;
  for (std::size_t number = 0; number < sizes.size(); ++number) {
    const auto network = network_of(map_model(sizes[number], 1));
    network->storage().load(weights);
    Size shape{1, 1};
    shape.insert(shape.end(), sizes[number].begin(), sizes[number].end());
    Size mask_shape = shape;
    mask_shape.erase(mask_shape.begin());
    at::Tensor image = at::empty(shape, at::kFloat), mask = at::empty(mask_shape, at::kLong);
    for (std::int64_t i = 0; i < image.numel(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      image.mutable_data_ptr<float>()[i] = value_at(at, static_cast<int>(number));
      mask.mutable_data_ptr<std::int64_t>()[i] = static_cast<std::int64_t>((at / 7 + at / 40 + number) % kClasses);
    }
    const std::vector<at::Tensor> outputs{network->forward(image.to(test_device()), Pass{})[0].cpu()};
    const at::Tensor spacing = at::ones({1, static_cast<std::int64_t>(sizes[number].size())}, at::kDouble);
    CHECK(counter->add(outputs, Target{.values = mask, .boxes = {}, .spacing = spacing}));
  }
  REQUIRE(counter->finish());
  return counts;
}

TEST_CASE("windows reach from one end to the other, at most half a window apart") {
  for (const std::int64_t window : {1, 2, 3, 8, 16}) {
    for (std::int64_t side = window; side < 5 * window + 3; ++side) {
      const auto places = window_places(side, window);
      CHECK(places.front() == 0);
      CHECK(places.back() == side - window);
      for (std::size_t i = 1; i < places.size(); ++i) {
        CHECK(places[i] > places[i - 1]);
        CHECK(places[i] - places[i - 1] <= std::max<std::int64_t>(window / 2, 1));
      }
    }
  }
}

TEST_CASE("a window counts most in its middle, and everywhere") {
  const Size sides{8, 5};
  const at::Tensor importance = window_importance(sides);
  CHECK(importance.min().item<float>() > 0.0F);
  CHECK(importance.argmax().item<std::int64_t>() % 5 == 2);
  CHECK(at::allclose(importance, importance.flip({0, 1})));
  // The standard deviation is an eighth of the side, measured from the middle of 8. Places 3 and 4 are half of it away.
  CHECK((importance[2][2] / importance[3][2]).item<double>() == Approx(std::exp(-0.5 * (1.5 * 1.5 - 0.5 * 0.5))));
}

TEST_CASE("where a voxel's scores depend on that voxel alone, windows count exactly what one pass counts") {
  const std::vector<Size> pictures{{37, 50}, {16, 12}, {5, 41}, {1, 1}, {33, 12}, {7, 6}};
  const std::vector<Size> volumes{{9, 20, 11}, {8, 8, 6}, {3, 5, 17}, {1, 1, 2}, {30, 8, 7}};
  for (const auto& [sizes, window] : {std::pair{pictures, Size{16, 12}}, std::pair{volumes, Size{8, 8, 6}}}) {
    const std::vector<std::uint64_t> expected = counts_at_once(sizes, exact_weights());
    CHECK(expected[0] == sizes.size());
    Cases cases(sizes, window);
    CHECK(cases.count(exact_weights(), 1, 16) == expected);
    CHECK(cases.count(exact_weights(), 1, 1) == expected);
    cases.source.loading.threads = 4;
    cases.source.loading.cache_bytes = 0;
    CHECK(cases.count(exact_weights(), 1, 16) == expected);
  }
}

TEST_CASE("training takes patches, evaluation whole cases, of the training split too") {
  const Cases cases({{37, 50}, {16, 12}}, {16, 12});
  const auto set = cases.open();
  const auto store_of = [&](job::Split split, Use use) {
    return value_of(ItemStore::create(set, split, use, {1, 16, 12}, {}, test_device()));
  };
  CHECK(store_of(job::Split::kTrain, Use::kTraining)->size() == 4);
  CHECK_FALSE(store_of(job::Split::kTrain, Use::kTraining)->are_whole());
  CHECK(store_of(job::Split::kTrain, Use::kEvaluation)->size() == 1);
  CHECK(store_of(job::Split::kVal, Use::kEvaluation)->size() == 2);
  CHECK(store_of(job::Split::kVal, Use::kEvaluation)->are_whole());
}

TEST_CASE("scores are the windows' mean, weighted by importance") {
  const c10::InferenceMode guard;
  const Size sides{6, 8}, image_sides{13, 17};
  const auto network = network_of(map_model(sides, 3));
  network->storage().load(value_of(model::initial_weights(network->spec(), 3)));
  const at::Tensor image = at::sin(at::arange(13 * 17, at::kFloat)).view({1, 1, 13, 17}).to(test_device());
  at::Tensor sum = at::zeros({kClasses, 13, 17}, at::kDouble), weight = at::zeros({13, 17}, at::kDouble);
  const at::Tensor importance = window_importance(sides).to(at::kDouble);
  for (const std::int64_t h : {0, 2, 4, 7}) {    // 7 = 13 - 6 in steps of at most 3
    for (const std::int64_t w : {0, 3, 6, 9}) {  // 9 = 17 - 8 in steps of at most 4
      const at::Tensor found = network->forward(image.narrow(2, h, 6).narrow(3, w, 8).contiguous(), Pass{})[0][0].cpu();
      sum.narrow(1, h, 6).narrow(2, w, 8).add_(found.to(at::kDouble) * importance);
      weight.narrow(0, h, 6).narrow(1, w, 8).add_(importance);
    }
  }
  const at::Tensor scores = value_of(scores_by_windows(*network, image, 5, [] { return false; }));
  CHECK(at::allclose(scores[0].to(at::kDouble), sum / weight, 1e-5, 1e-6));
}

TEST_CASE("a long case can be cancelled between its windows, and a model without a map is refused") {
  const c10::InferenceMode guard;
  const auto network = network_of(map_model({6, 8}, 1));
  network->storage().load(exact_weights());
  const at::Tensor image = at::zeros({1, 1, 30, 30}).to(test_device());
  int asked = 0;
  const auto cancelled = scores_by_windows(*network, image, 1, [&] { return ++asked == 3; });
  REQUIRE_FALSE(cancelled);
  CHECK(cancelled.error().code == ErrorCode::kCancelled);
  CHECK(asked == 3);
  const auto classifier = network_of([] {
    model::ModelSpec spec = map_model({6, 8}, 1);
    spec.layers.insert(spec.layers.end(), {model::Flatten{}, model::Linear{.out_features = kClasses}});
    return spec;
  }());
  const auto refused = scores_by_windows(*classifier, image, 1, [] { return false; });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace consilium::trainer
