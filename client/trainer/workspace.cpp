#include "client/trainer/workspace.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "client/trainer/data/dataset.h"
#include "client/trainer/data/item_set.h"
#include "client/trainer/models/torch_errors.h"
#include "client/trainer/training/example_store.h"
#include "client/trainer/training/item_store.h"
#include "common/task/outputs.h"

namespace consilium::trainer {
namespace {

std::string identity_of_file(const std::string& path) {
  struct stat state {};
  if (::stat(path.c_str(), &state) != 0) {
    return path + ":none";
  }
  return fmt::format("{}:{}:{}:{}:{}.{}", path, state.st_dev, state.st_ino, state.st_size, state.st_mtim.tv_sec,
                     state.st_mtim.tv_nsec);
}

/// Returns a text that changes when a file of the data set is written or replaced.
std::string identity_of(const DataSource& source) {
  std::vector<std::string> files{identity_of_file(source.path)};
  std::error_code ignored;
  for (std::filesystem::recursive_directory_iterator entry(source.path, ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    files.push_back(identity_of_file(entry->path().string()));
  }
  std::sort(files.begin(), files.end());
  return fmt::format("{}|{}", to_json(source).dump(), fmt::join(files, "|"));
}

std::string key_of(const Prepare& request) {
  std::string key = fmt::format("{}|{}|{}|{}", identity_of(request.data), fmt::join(request.model.input, ","),
                                request.model.classes, task::name_of(request.task.kind));
  if (request.normalize) {
    key += fmt::format("|{}|{}", fmt::join(request.normalize->mean, ","), fmt::join(request.normalize->std, ","));
  }
  if (request.atlas)
    key += fmt::format("|{}|{}", identity_of_file(request.atlas->path), crypto::to_hex(request.atlas->sha256));
  return key;
}

/// Returns true if the data set is whole arrays in the model's shape, which are kept as they are.
bool are_ready_arrays(const DataSource& source) {
  return find_data_type(source.type) != nullptr && find_data_type(source.type)->arrays &&
         source.preprocess == Preprocess{} && source.augment == Augment{};
}

/// Returns the kind of target that a task's examples must have.
data::TargetKind target_of(task::TaskKind task) {
  switch (task) {
    case task::TaskKind::kMultiLabel:
      return data::TargetKind::kLabels;
    case task::TaskKind::kSegmentation:
      return data::TargetKind::kMask;
    case task::TaskKind::kDetection:
      return data::TargetKind::kBoxes;
    case task::TaskKind::kClassification:
      break;
  }
  return data::TargetKind::kClass;
}

std::uint64_t bytes_of(const data::Split& split) {
  const std::uint64_t values = std::visit([](const auto& v) { return v.size() * sizeof(v[0]); }, split.values);
  return values + split.labels.size() * sizeof(std::int64_t);
}

/// Moves the values into a tensor without a copy.
at::Tensor images_of(data::Values values, std::int64_t count) {
  return std::visit(
      [&](auto& held) {
        using Vector = std::remove_reference_t<decltype(held)>;
        auto* owner = new Vector(std::move(held));
        const auto type = std::is_same_v<typename Vector::value_type, float> ? at::kFloat : at::kByte;
        const auto size = static_cast<std::int64_t>(owner->size());
        return at::from_blob(
            owner->data(), {count, count == 0 ? 0 : size / count}, [owner](void*) { delete owner; },
            at::TensorOptions().dtype(type));
      },
      values);
}

Result<std::unique_ptr<ExampleSource>> store_of(data::Split split, const Prepare& request, const at::Device& device) {
  const auto count = static_cast<std::int64_t>(split.size());
  at::Tensor labels = at::empty({count}, at::kLong);
  std::copy(split.labels.begin(), split.labels.end(), labels.mutable_data_ptr<std::int64_t>());
  CONSILIUM_ASSIGN(ExampleStore store, ExampleStore::create(images_of(std::move(split.values), count), labels,
                                                            request.model.input, request.normalize, device));
  return std::unique_ptr<ExampleSource>(std::make_unique<ExampleStore>(std::move(store)));
}

}  // namespace

Result<Prepared> Workspace::prepare(const Prepare& request) {
  current_ = nullptr;
  return without_exceptions("prepare", [&]() -> Result<Prepared> {
    CONSILIUM_TRY(use_network(request));
    CONSILIUM_ASSIGN(auto task, task_of(request));
    CONSILIUM_TRY(task::check_outputs(*task, request.model.input, network_->output_shapes()));
    CONSILIUM_ASSIGN(task_, make_learning_task(std::move(task), request.loss, request.model.input));
    CONSILIUM_TRY(use_dataset(request));
    return current_->counts;
  });
}

Result<void> Workspace::use_network(const Prepare& request) {
  if (network_ == nullptr || !(network_->spec() == request.model) || network_->precision() != request.precision) {
    network_.reset();
    CONSILIUM_ASSIGN(network_, Network::create(request.model, device_, request.precision));
  }
  const std::size_t expected = network_->manifest().parameter_count();
  if (request.parameter_count != expected) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("parameter_count: expected {}, as in the model, found {}",
                                                         expected, request.parameter_count));
  }
  return {};
}

Result<void> Workspace::use_dataset(const Prepare& request) {
  const std::string key = key_of(request);
  const auto found =
      std::find_if(loaded_.begin(), loaded_.end(), [&](const Loaded& loaded) { return loaded.key == key; });
  if (found != loaded_.end()) {
    loaded_.splice(loaded_.begin(), loaded_, found);
  } else {
    CONSILIUM_ASSIGN(Loaded loaded, load(request));
    loaded.key = key;
    loaded_.push_front(std::move(loaded));
    forget_old();
  }
  current_ = &loaded_.front();
  return {};
}

Result<Workspace::Loaded> Workspace::load(const Prepare& request) const {
  const bool classes = request.task.kind == task::TaskKind::kClassification;
  return classes && !request.atlas && are_ready_arrays(request.data) ? load_arrays(request) : load_items(request);
}

Result<Workspace::Loaded> Workspace::load_arrays(const Prepare& request) const {
  CONSILIUM_ASSIGN(data::Dataset dataset, data::read_dataset(request.data, request.model.input, request.model.classes));
  Loaded loaded;
  loaded.bytes = bytes_of(dataset.train) + bytes_of(dataset.val) + bytes_of(dataset.test);
  loaded.counts.train_examples = dataset.train.size();
  loaded.counts.val_examples = dataset.val.size();
  loaded.counts.test_examples = dataset.test.size();
  loaded.counts.class_examples.assign(static_cast<std::size_t>(request.model.classes), 0);
  for (const std::uint16_t label : dataset.train.labels) {
    ++loaded.counts.class_examples[label];
  }
  CONSILIUM_ASSIGN(loaded.train, store_of(std::move(dataset.train), request, device_));
  CONSILIUM_ASSIGN(loaded.val, store_of(std::move(dataset.val), request, device_));
  CONSILIUM_ASSIGN(loaded.test, store_of(std::move(dataset.test), request, device_));
  return loaded;
}

Result<Workspace::Loaded> Workspace::load_items(const Prepare& request) const {
  std::shared_ptr<const data::Atlas> atlas;
  if (request.atlas) {
    CONSILIUM_ASSIGN(atlas, read_atlas(*request.atlas));
  }
  auto opened = data::ItemSet::open(request.data, request.model.input, request.model.classes, decoder_, scratch_,
                                    std::move(atlas));
  if (!opened) {
    // The names of files and rows stay in the site's own log, because this answer may be passed on to the coordinator.
    fmt::print(stderr, "data set: {}\n", opened.error().message);
    return fail(opened.error().code, "the data set can't be used; the site's log says why");
  }
  const std::shared_ptr<const data::ItemSet> set = std::move(*opened);
  for (const std::string& note : set->notes()) fmt::print(stderr, "data set: {}\n", note);
  if (set->kind() != target_of(request.task.kind)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the data set's targets are of the kind '{}', but a job of {} needs '{}'",
                            data::name_of(set->kind()), task::name_of(request.task.kind),
                            data::name_of(target_of(request.task.kind))));
  }
  Loaded loaded;
  loaded.bytes = request.data.loading.cache_bytes;
  loaded.counts.class_examples = set->class_examples();
  for (const auto& [split, use, store] : {std::tuple{job::Split::kTrain, Use::kTraining, &loaded.training},
                                          std::tuple{job::Split::kTrain, Use::kEvaluation, &loaded.train},
                                          std::tuple{job::Split::kVal, Use::kEvaluation, &loaded.val},
                                          std::tuple{job::Split::kTest, Use::kEvaluation, &loaded.test}}) {
    CONSILIUM_ASSIGN(*store, ItemStore::create(set, split, use, request.model.input, request.normalize, device_));
  }
  loaded.counts.train_examples = static_cast<std::uint64_t>(loaded.training->size());
  loaded.counts.val_examples = static_cast<std::uint64_t>(loaded.val->size());
  loaded.counts.test_examples = static_cast<std::uint64_t>(loaded.test->size());
  return loaded;
}

Result<std::shared_ptr<const data::Atlas>> Workspace::read_atlas(const AtlasFile& file) const {
  if (decoder_ == nullptr)
    return fail(ErrorCode::kFailedPrecondition, "the job's atlas can't be read: this trainer has no decoder of images");
  auto atlas = data::Atlas::read(*decoder_, file);
  if (atlas) return atlas;
  fmt::print(stderr, "atlas: {}\n", atlas.error().message);
  return fail(atlas.error().code,
              atlas.error().code == ErrorCode::kFailedPrecondition
                  ? "the site's file isn't the job's atlas, because its SHA-256 differs; the site's log has both"
                  : "the job's atlas can't be used; the site's log says why");
}

void Workspace::forget_old() {
  std::uint64_t bytes = 0;
  auto kept = loaded_.begin();
  for (bool first = true; kept != loaded_.end(); ++kept, first = false) {
    bytes += kept->bytes;
    if (!first && bytes > cached_bytes_) {
      break;
    }
  }
  loaded_.erase(kept, loaded_.end());
}

const ExampleSource& Workspace::training() const {
  return current_->training == nullptr ? *current_->train : *current_->training;
}

const ExampleSource& Workspace::split(job::Split split) const {
  switch (split) {
    case job::Split::kVal:
      return *current_->val;
    case job::Split::kTest:
      return *current_->test;
    case job::Split::kTrain:
      break;
  }
  return *current_->train;
}

}  // namespace consilium::trainer
