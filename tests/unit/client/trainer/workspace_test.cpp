#include "client/trainer/workspace.h"

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
  const ExampleStore* first = &workspace.split(job::Split::kTrain);
  (void)value_of(workspace.prepare(prepare_for(folder / "b.npz")));
  CHECK(workspace.network() == network);
  (void)value_of(workspace.prepare(prepare_for(folder / "a.npz")));
  CHECK(&workspace.split(job::Split::kTrain) == first);
  (void)value_of(workspace.prepare(prepare_for(folder / "c.npz")));
  CHECK(workspace.cached_datasets() == 2);
  (void)value_of(workspace.prepare(prepare_for(folder / "a.npz")));
  CHECK(&workspace.split(job::Split::kTrain) == first);  // b was the one to go
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
  CHECK(refused.error().message.find("holds one class for each example") != std::string::npos);
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

}  // namespace
}  // namespace consilium::trainer
