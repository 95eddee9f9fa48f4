#include "common/task/classification.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "client/trainer/task/count_fields.h"
#include "client/trainer/task/learning_tasks.h"
#include "client/trainer/task/losses.h"
#include "common/task/calibration.h"
#include "common/task/score_histogram.h"

namespace consilium::trainer {
namespace {

/// Computes log sum_k exp(z_k) for one example's logits z, over all classes and over all but one. The time is linear in
/// the number of classes.
class LogSums {
 public:
  explicit LogSums(std::size_t classes) : terms_(classes), from_(classes + 1) {}

  void set(std::span<const float> logits) {
    largest_ = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
    double all = 0.0;
    for (std::size_t k = 0; k < terms_.size(); ++k) {
      terms_[k] = std::exp(static_cast<double>(logits[k]) - largest_);
      all += terms_[k];
    }
    all_ = largest_ + std::log(all);
    for (std::size_t k = terms_.size(); k > 0; --k) from_[k - 1] = from_[k] + terms_[k - 1];
    before_ = 0.0;
  }
  [[nodiscard]] double all() const { return all_; }
  /// Returns the log-sum over all classes but one. Call it once for each class, in order. It adds the sums of the terms
  /// before and after the class, which lose no digits, unlike a difference.
  double without(std::size_t k) {
    const double others = before_ + from_[k + 1];
    before_ += terms_[k];
    return largest_ + std::log(others);
  }

 private:
  std::vector<double> terms_;  ///< exp(z_k - largest)
  std::vector<double> from_;   ///< sums of the terms from k to the end
  double largest_ = 0.0, all_ = 0.0, before_ = 0.0;
};

/// Counts one prediction and its confidence.
class ConfidenceCounter {
 public:
  explicit ConfidenceCounter(const CountFields& fields)
      : counts_(fields.of(task::kConfidenceCounts)),
        right_(fields.of(task::kConfidenceRight)),
        sums_(fields.of(task::kConfidenceSums)) {}

  void add(double confidence, bool right) {
    if (counts_.empty()) return;
    const std::size_t bin = task::confidence_bin(confidence, static_cast<std::uint32_t>(counts_.size()));
    ++counts_[bin];
    right_[bin] += right ? 1 : 0;
    sums_[bin] += in_units(confidence);
  }

 private:
  std::span<std::uint64_t> counts_, right_, sums_;
};

/// Fields: examples, loss, confusion, and for each class c two histograms of its score log(p_c / (1 - p_c)) = z_c - log
/// sum_{k != c} exp(z_k): one over the examples of class c, the other over the rest.
class ClassificationCounter : public Counter {
 public:
  ClassificationCounter(const LearningTask& task, std::span<std::uint64_t> counts)
      : task_(task),
        classes_(static_cast<std::size_t>(task.task().classes())),
        fields_(task.task(), counts),
        examples_(fields_.of(task::kExamples)),
        confusion_(fields_.of(task::kConfusion)),
        positives_(fields_.of(task::kPositives)),
        negatives_(fields_.of(task::kNegatives)),
        confidence_(fields_),
        sums_(classes_) {}

  Result<void> add(Outputs outputs, const Target& target) override {
    CONSILIUM_TRY(check_finite(outputs, examples_[0]));
    const at::Tensor logits = outputs[0].contiguous();
    const at::Tensor labels = target.values.contiguous();
    const float* values = logits.const_data_ptr<float>();
    for (std::int64_t i = 0; i < labels.size(0); ++i, values += classes_)
      add_one({values, classes_}, static_cast<std::size_t>(labels.const_data_ptr<std::int64_t>()[i]));
    if (!task_.is_plain_cross_entropy()) loss_ += task_.losses(outputs, target).sum(at::kDouble).item<double>();
    return {};
  }

  Result<void> finish() override { return put_loss(loss_, fields_.of(task::kLoss)); }

 private:
  void add_one(std::span<const float> logits, std::size_t label) {
    const auto predicted = static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    sums_.set(logits);
    const double all = sums_.all();
    ++examples_[0];
    if (task_.is_plain_cross_entropy()) loss_ += all - static_cast<double>(logits[label]);
    ++confusion_[label * classes_ + predicted];
    for (std::size_t c = 0; c < classes_; ++c) {
      const std::size_t bin = task::score_bin(static_cast<double>(logits[c]) - sums_.without(c));
      ++(c == label ? positives_ : negatives_)[c * task::kScoreBins + bin];
    }
    confidence_.add(std::exp(static_cast<double>(logits[predicted]) - all), predicted == label);
  }

  const LearningTask& task_;
  std::size_t classes_;
  CountFields fields_;
  std::span<std::uint64_t> examples_, confusion_, positives_, negatives_;
  ConfidenceCounter confidence_;
  LogSums sums_;
  double loss_ = 0.0;
};

class Classification : public LearningTask {
 public:
  Classification(TaskPtr task, task::LossSpec loss) : LearningTask(std::move(task)), loss_(std::move(loss)) {}

  at::Tensor losses(Outputs outputs, const Target& target) const override {
    return loss_.kind == task::LossKind::kFocal ? focal_losses(outputs[0], target.values, loss_)
                                                : cross_entropy_losses(outputs[0], target.values, loss_);
  }
  bool is_plain_cross_entropy() const override { return loss_ == task::LossSpec{}; }
  Result<std::vector<at::Tensor>> mean_of_models(std::span<const std::vector<at::Tensor>> outputs) const override {
    return mean_of_softmax(outputs);
  }
  std::unique_ptr<Counter> count_into(std::span<std::uint64_t> counts) const override {
    return std::make_unique<ClassificationCounter>(*this, counts);
  }

 private:
  task::LossSpec loss_;
};

/// Fields: examples, loss, exact matches, outcomes of each label at the threshold, and histograms of each label's
/// scores, the logits.
class MultiLabelCounter : public Counter {
 public:
  MultiLabelCounter(const LearningTask& task, std::span<std::uint64_t> counts)
      : task_(task),
        labels_(static_cast<std::size_t>(task.task().classes())),
        threshold_(std::log(task.task().spec().threshold) - std::log1p(-task.task().spec().threshold)),
        fields_(task.task(), counts),
        examples_(fields_.of(task::kExamples)),
        exact_(fields_.of(task::kExactMatches)),
        outcomes_(fields_.of(task::kOutcomes)),
        positives_(fields_.of(task::kPositives)),
        negatives_(fields_.of(task::kNegatives)),
        confidence_(fields_) {}

  Result<void> add(Outputs outputs, const Target& target) override {
    CONSILIUM_TRY(check_finite(outputs, examples_[0]));
    const at::Tensor logits = outputs[0].contiguous();
    const at::Tensor labels = target.values.to(at::kFloat).contiguous();
    const float* values = logits.const_data_ptr<float>();
    const float* truths = labels.const_data_ptr<float>();
    for (std::int64_t i = 0; i < logits.size(0); ++i, values += labels_, truths += labels_)
      add_one({values, labels_}, {truths, labels_});
    loss_ += task_.losses(outputs, target).sum(at::kDouble).item<double>();
    return {};
  }

  Result<void> finish() override { return put_loss(loss_, fields_.of(task::kLoss)); }

 private:
  void add_one(std::span<const float> logits, std::span<const float> truths) {
    bool all_right = true;
    for (std::size_t label = 0; label < labels_; ++label) {
      const double logit = static_cast<double>(logits[label]);
      const bool truth = truths[label] > 0.5F;
      const bool found = logit >= threshold_;
      const std::size_t outcome = truth ? (found ? task::kTruePositive : task::kFalseNegative)
                                        : (found ? task::kFalsePositive : task::kTrueNegative);
      ++outcomes_[label * task::kOutcomeCount + outcome];
      ++(truth ? positives_ : negatives_)[label * task::kScoreBins + task::score_bin(logit)];
      const double p = 1.0 / (1.0 + std::exp(-logit));
      confidence_.add(logit >= 0.0 ? p : 1.0 - p, truth == (logit >= 0.0));
      all_right = all_right && truth == found;
    }
    ++examples_[0];
    exact_[0] += all_right ? 1 : 0;
  }

  const LearningTask& task_;
  std::size_t labels_;
  double threshold_;
  CountFields fields_;
  std::span<std::uint64_t> examples_, exact_, outcomes_, positives_, negatives_;
  ConfidenceCounter confidence_;
  double loss_ = 0.0;
};

class MultiLabel : public LearningTask {
 public:
  MultiLabel(TaskPtr task, task::LossSpec loss) : LearningTask(std::move(task)), loss_(std::move(loss)) {}

  at::Tensor losses(Outputs outputs, const Target& target) const override {
    return loss_.kind == task::LossKind::kFocal ? sigmoid_focal(outputs[0], target.values, loss_).mean(1)
                                                : binary_cross_entropy_losses(outputs[0], target.values, loss_);
  }
  Result<std::vector<at::Tensor>> mean_of_models(std::span<const std::vector<at::Tensor>> outputs) const override {
    return mean_of_sigmoid(outputs);
  }
  std::unique_ptr<Counter> count_into(std::span<std::uint64_t> counts) const override {
    return std::make_unique<MultiLabelCounter>(*this, counts);
  }

 private:
  task::LossSpec loss_;
};

}  // namespace

LearningTaskPtr make_classification(TaskPtr task, const task::LossSpec& loss) {
  return std::make_unique<Classification>(std::move(task), loss);
}

LearningTaskPtr make_multi_label(TaskPtr task, const task::LossSpec& loss) {
  return std::make_unique<MultiLabel>(std::move(task), loss);
}

}  // namespace consilium::trainer
