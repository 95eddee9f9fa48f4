#include "client/trainer/workspace.h"

#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "client/trainer/data/dataset.h"
#include "client/trainer/models/torch_errors.h"

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

/// Changes when a file of the data set is written or replaced.
std::string identity_of(const DataSource& source) {
  std::vector<std::string> files{identity_of_file(source.path)};
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(source.path, ignored)) {
    files.push_back(identity_of_file(entry.path().string()));
  }
  std::sort(files.begin(), files.end());
  return fmt::format("{}|{}", source.type, fmt::join(files, "|"));
}

std::string key_of(const Prepare& request) {
  std::string key = fmt::format("{}|{}|{}|{}", identity_of(request.data), fmt::join(request.model.input, ","),
                                request.model.classes, task::name_of(request.task.kind));
  if (request.normalize) {
    key += fmt::format("|{}|{}", fmt::join(request.normalize->mean, ","), fmt::join(request.normalize->std, ","));
  }
  return key;
}

std::uint64_t bytes_of(const data::Split& split) {
  const std::uint64_t values = std::visit([](const auto& v) { return v.size() * sizeof(v[0]); }, split.values);
  return values + split.labels.size() * sizeof(std::int64_t);
}

/// Hands the values over to a tensor without a copy.
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

Result<ExampleStore> store_of(data::Split split, const Prepare& request, const at::Device& device) {
  const auto count = static_cast<std::int64_t>(split.size());
  at::Tensor labels = at::empty({count}, at::kLong);
  std::copy(split.labels.begin(), split.labels.end(), labels.mutable_data_ptr<std::int64_t>());
  return ExampleStore::create(images_of(std::move(split.values), count), labels, request.model.input, request.normalize,
                              device);
}

}  // namespace

Result<Prepared> Workspace::prepare(const Prepare& request) {
  current_ = nullptr;
  return without_exceptions("prepare", [&]() -> Result<Prepared> {
    const c10::InferenceMode guard;
    CONSILIUM_TRY(use_network(request.model, request.parameter_count));
    CONSILIUM_ASSIGN(auto task, task_of(request));
    CONSILIUM_ASSIGN(task_, make_learning_task(std::move(task), request.loss, request.model.input));
    CONSILIUM_TRY(use_dataset(request));
    return current_->counts;
  });
}

Result<void> Workspace::use_network(const model::ModelSpec& spec, std::uint64_t parameter_count) {
  if (network_ == nullptr || !(network_->spec() == spec)) {
    network_.reset();
    CONSILIUM_ASSIGN(network_, Network::create(spec, device_));
  }
  const std::size_t expected = network_->manifest().parameter_count();
  if (parameter_count != expected) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("parameter_count: the model has {}, found {}", expected, parameter_count));
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
  if (request.task.kind != task::TaskKind::kClassification)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: a data set of type '{}' holds one class for each example, which is no target for {}",
                            request.data.path, request.data.type, task::name_of(request.task.kind)));
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

const ExampleStore& Workspace::split(job::Split split) const {
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
