// consilium-linear-trainer: a trainer without torch that really learns, for tests of everything around training. It
// takes models of one linear layer (weight [classes, features], bias [classes]) and runs plain mini-batch SGD on the
// cross-entropy, with FedProx's term, over the examples in the order of the file.

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "client/trainer/data/dataset.h"
#include "client/trainer/protocol/channel.h"
#include "common/task/score_histogram.h"
#include "common/task/task.h"

using namespace consilium;
using namespace consilium::trainer;

namespace {

/// Maps the shared vector behind a descriptor.
template <class T>
class Shared {
 public:
  Shared(const Descriptor& memory, int protection) {
    struct stat status {};
    if (fstat(memory.get(), &status) != 0 || status.st_size <= 0) return;
    size_ = static_cast<std::size_t>(status.st_size);
    void* data = mmap(nullptr, size_, protection, MAP_SHARED, memory.get(), 0);
    if (data != MAP_FAILED) data_ = static_cast<T*>(data);
  }
  ~Shared() {
    if (data_ != nullptr) munmap(const_cast<std::remove_const_t<T>*>(data_), size_);
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  [[nodiscard]] std::span<T> values() const { return {data_, data_ == nullptr ? 0 : size_ / sizeof(T)}; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

class Trainer {
 public:
  /// @param nan_round  the round whose update contains a NaN; 0: none
  /// @param tell_labels  fails to train, each time with a code that reveals another example's label
  /// @param signs  returns only the sign of each change, as one step of Adam does
  Trainer(std::uint32_t nan_round, bool tell_labels, bool signs)
      : nan_round_(nan_round), tell_labels_(tell_labels), signs_(signs) {}

  Reply operator()(const Prepare& request, const Record&) {
    auto dataset = data::read_dataset(request.data, request.model.input, request.model.classes);
    if (!dataset) return Failed{dataset.error().code, dataset.error().message};
    dataset_ = std::move(*dataset);
    features_ = dataset_.example_size();
    classes_ = static_cast<std::size_t>(request.model.classes);
    if (request.parameter_count != classes_ * (features_ + 1))
      return Failed{ErrorCode::kInvalidArgument, "expected a model of one linear layer"};
    Prepared prepared{dataset_.train.size(), dataset_.val.size(), dataset_.test.size(),
                      std::vector<std::uint64_t>(classes_)};
    for (const auto label : dataset_.train.labels) ++prepared.class_examples[label];
    return prepared;
  }

  Reply operator()(const Train& request, const Record& record) {
    if (tell_labels_) {
      constexpr ErrorCode kCodes[] = {ErrorCode::kNotFound, ErrorCode::kResourceExhausted};
      return Failed{kCodes[dataset_.train.labels.at(told_++) % 2], "no"};
    }
    const Shared<const float> global(record.descriptors.at(0), PROT_READ);
    const Shared<float> delta(record.descriptors.at(1), PROT_READ | PROT_WRITE);
    std::vector<float> model(global.values().begin(), global.values().end());
    double loss = 0.0;
    for (std::uint32_t epoch = 0; epoch < request.local_epochs; ++epoch)
      loss = run_epoch(request, global.values(), model);
    for (std::size_t i = 0; i < model.size(); ++i) delta.values()[i] = model[i] - global.values()[i];
    if (signs_) {
      for (float& change : delta.values()) change = std::copysign(0.001F, change);
    }
    if (request.round == nan_round_) delta.values()[0] = std::numeric_limits<float>::quiet_NaN();
    return Trained{loss, request.local_epochs, false, 0.0};
  }

  Reply operator()(const Evaluate& request, const Record& record) {
    const Shared<const float> global(record.descriptors.at(0), PROT_READ);
    const Shared<std::uint64_t> counts(record.descriptors.at(1), PROT_READ | PROT_WRITE);
    const data::Split& split = split_of(request.split);
    count(split, 0, split.size(), global.values(), counts.values());
    return Evaluated{0.0};
  }

  /// Each example is a patient of its own.
  Reply operator()(const EvaluatePatients& request, const Record& record) {
    const Shared<const float> models(record.descriptors.at(0), PROT_READ);
    const Shared<std::uint64_t> counts(record.descriptors.at(1), PROT_READ | PROT_WRITE);
    const data::Split& split = split_of(request.split);
    const std::size_t elements = counts.values().size() / request.patients;
    for (std::size_t i = 0; i < request.patients; ++i) {
      const std::size_t first = std::min<std::size_t>(request.first_patient + i, split.size());
      const std::size_t end = std::min<std::size_t>(first + 1, split.size());
      count(split, first, end, models.values(), counts.values().subspan(i * elements, elements));
    }
    return EvaluatedPatients{0.0, split.size()};
  }

  Reply operator()(const Look&, const Record&) { return Looked{}; }

  Reply operator()(const Cancel&, const Record&) { return Failed{ErrorCode::kCancelled, "cancelled"}; }

 private:
  [[nodiscard]] const data::Split& split_of(job::Split split) const {
    if (split == job::Split::kTrain) return dataset_.train;
    return split == job::Split::kVal ? dataset_.val : dataset_.test;
  }

  /// Counts the examples from `first` to `end`.
  /// @param models  one, or several whose mean prediction counts
  void count(const data::Split& split, std::size_t first, std::size_t end, std::span<const float> models,
             std::span<std::uint64_t> counts) const {
    std::ranges::fill(counts, 0);
    const std::span<std::uint64_t> confusion = counts.subspan(2, classes_ * classes_);
    const std::span<std::uint64_t> positives = counts.subspan(2 + classes_ * classes_, classes_ * task::kScoreBins);
    const std::span<std::uint64_t> negatives = counts.subspan(2 + classes_ * classes_ + classes_ * task::kScoreBins);
    double loss = 0.0;
    for (std::size_t i = first; i < end; ++i) {
      const std::vector<double> shares = mean_prediction(split, i, models);
      const auto best = static_cast<std::size_t>(std::ranges::max_element(shares) - shares.begin());
      ++confusion[split.labels[i] * classes_ + best];
      loss -= std::log(std::max(shares[split.labels[i]], 1e-12));
      for (std::size_t k = 0; k < classes_; ++k) {
        const double logit = std::log(std::max(shares[k], 1e-12) / std::max(1.0 - shares[k], 1e-12));
        const double bin =
            (std::clamp(logit, -task::kScoreLogitRange, task::kScoreLogitRange) / task::kScoreLogitRange + 1) / 2;
        const auto index =
            std::min<std::size_t>(static_cast<std::size_t>(bin * task::kScoreBins), task::kScoreBins - 1);
        ++(split.labels[i] == k ? positives : negatives)[k * task::kScoreBins + index];
      }
    }
    counts[0] = end - first;
    counts[1] = static_cast<std::uint64_t>(std::llround(loss * task::kUnit));
  }

  [[nodiscard]] std::vector<double> mean_prediction(const data::Split& split, std::size_t example,
                                                    std::span<const float> models) const {
    const std::size_t parameters = classes_ * (features_ + 1);
    const std::size_t count = models.size() / parameters;
    std::vector<double> mean(classes_);
    for (std::size_t model = 0; model < count; ++model) {
      const std::vector<double> shares = predict(split, example, models.subspan(model * parameters, parameters));
      for (std::size_t k = 0; k < classes_; ++k) mean[k] += shares[k] / static_cast<double>(count);
    }
    return mean;
  }

  [[nodiscard]] double value(const data::Split& split, std::size_t example, std::size_t feature) const {
    return std::visit([&](const auto& values) { return static_cast<double>(values[example * features_ + feature]); },
                      split.values);
  }

  [[nodiscard]] std::vector<double> predict(const data::Split& split, std::size_t example,
                                            std::span<const float> model) const {
    std::vector<double> shares(classes_);
    for (std::size_t k = 0; k < classes_; ++k) {
      shares[k] = model[classes_ * features_ + k];
      for (std::size_t f = 0; f < features_; ++f) shares[k] += model[k * features_ + f] * value(split, example, f);
    }
    const double largest = *std::ranges::max_element(shares);
    double sum = 0.0;
    for (double& share : shares) sum += share = std::exp(share - largest);
    for (double& share : shares) share /= sum;
    return shares;
  }

  double run_epoch(const Train& request, std::span<const float> global, std::vector<float>& model) const {
    const data::Split& split = dataset_.train;
    double loss = 0.0;
    for (std::size_t begin = 0; begin < split.size(); begin += request.batch_size) {
      const std::size_t end = std::min(split.size(), begin + request.batch_size);
      std::vector<double> gradient(model.size());
      for (std::size_t i = begin; i < end; ++i) {
        const std::vector<double> shares = predict(split, i, model);
        loss -= std::log(std::max(shares[split.labels[i]], 1e-12)) / static_cast<double>(split.size());
        for (std::size_t k = 0; k < classes_; ++k) {
          const double error = (shares[k] - (split.labels[i] == k ? 1.0 : 0.0)) / static_cast<double>(end - begin);
          for (std::size_t f = 0; f < features_; ++f) gradient[k * features_ + f] += error * value(split, i, f);
          gradient[classes_ * features_ + k] += error;
        }
      }
      for (std::size_t p = 0; p < model.size(); ++p) {
        const double pull = request.proximal_mu * (static_cast<double>(model[p]) - global[p]);
        model[p] -= static_cast<float>(request.optimizer.learning_rate * (gradient[p] + pull));
      }
    }
    return loss;
  }

  std::uint32_t nan_round_ = 0;
  bool tell_labels_ = false;
  bool signs_ = false;
  std::size_t told_ = 0;
  data::Dataset dataset_;
  std::size_t features_ = 0;
  std::size_t classes_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  int socket = -1;
  int slow_ms = 0;
  std::uint32_t nan_round = 0;
  bool tell_labels = false;
  bool signs = false;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string(argv[i]) == "--socket-fd") socket = std::atoi(argv[i + 1]);
    if (std::string(argv[i]) == "--sleep-ms") slow_ms = std::atoi(argv[i + 1]);
    if (std::string(argv[i]) == "--tell-labels") tell_labels = true;
    if (std::string(argv[i]) == "--signs") signs = true;
    if (std::string(argv[i]) == "--nan-round") nan_round = static_cast<std::uint32_t>(std::atoi(argv[i + 1]));
  }
  if (socket < 0) return 2;
  RecordChannel channel{Descriptor(socket)};
  if (!channel.send(encode(Reply(Hello{kProtocolVersion, "consilium-linear-trainer", "cpu", true})))) return 1;
  Trainer trainer(nan_round, tell_labels, signs);
  while (true) {
    const auto record = channel.receive();
    if (!record) return 1;
    if (!record->has_value()) return 0;
    const auto request = decode_request((*record)->json);
    if (!request) return 1;
    if (slow_ms > 0 && std::holds_alternative<Train>(*request)) ::usleep(static_cast<useconds_t>(slow_ms) * 1000);
    const Reply reply = std::visit([&](const auto& asked) { return trainer(asked, **record); }, *request);
    if (!std::holds_alternative<Cancel>(*request) && !channel.send(encode(reply))) return 1;
  }
}
