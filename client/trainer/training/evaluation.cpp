#include "client/trainer/training/evaluation.h"

#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "client/trainer/models/torch_errors.h"
#include "common/encoding/vector_layout.h"

namespace consilium::trainer {
namespace {

constexpr double kMostLoss = 0x1p42;  // times kLossUnit still fits in 63 bits

std::size_t bin_of(double score) {
  constexpr double range = encoding::kScoreLogitRange;
  const double clamped = std::clamp(score, -range, range);
  const double bin = std::floor((clamped + range) / (2.0 * range) * encoding::kScoreBins);
  return static_cast<std::size_t>(std::clamp(bin, 0.0, static_cast<double>(encoding::kScoreBins - 1)));
}

/// log sum_k exp(logits[k]), leaving out `except`.
double log_sum_exp(std::span<const float> logits, std::size_t except) {
  double largest = -std::numeric_limits<double>::infinity();
  for (std::size_t k = 0; k < logits.size(); ++k) {
    if (k != except) {
      largest = std::max(largest, static_cast<double>(logits[k]));
    }
  }
  if (!std::isfinite(largest)) {
    return largest;
  }
  double sum = 0.0;
  for (std::size_t k = 0; k < logits.size(); ++k) {
    if (k != except) {
      sum += std::exp(static_cast<double>(logits[k]) - largest);
    }
  }
  return largest + std::log(sum);
}

}  // namespace

EvaluationCounts::EvaluationCounts(std::span<std::uint64_t> counts, std::int64_t classes)
    : counts_(counts), classes_(static_cast<std::size_t>(classes)) {
  std::fill(counts_.begin(), counts_.end(), std::uint64_t{0});
}

bool EvaluationCounts::add(std::span<const float> logits, std::int64_t truth) {
  if (!std::all_of(logits.begin(), logits.end(), [](float value) { return std::isfinite(value); })) {
    return false;
  }
  const auto label = static_cast<std::size_t>(truth);
  const auto predicted = static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  counts_[0] += 1;
  loss_ += log_sum_exp(logits, classes_) - static_cast<double>(logits[label]);
  counts_[2 + label * classes_ + predicted] += 1;
  const std::size_t positives = 2 + classes_ * classes_;
  const std::size_t negatives = positives + classes_ * encoding::kScoreBins;
  for (std::size_t c = 0; c < classes_; ++c) {
    const std::size_t bin = bin_of(static_cast<double>(logits[c]) - log_sum_exp(logits, c));
    counts_[(c == label ? positives : negatives) + c * encoding::kScoreBins + bin] += 1;
  }
  return true;
}

void EvaluationCounts::finish() {
  counts_[1] = static_cast<std::uint64_t>(std::llround(std::clamp(loss_, 0.0, kMostLoss) * encoding::kLossUnit));
}

Result<Evaluated> evaluate(Network& network, const ExampleSource& examples, std::uint32_t batch_size,
                           std::span<const float> model, std::span<std::uint64_t> counts, const Hooks& hooks) {
  const std::int64_t classes = network.spec().classes;
  if (model.size() != network.manifest().parameter_count() || batch_size == 0 ||
      counts.size() != evaluation_count_elements(static_cast<std::uint64_t>(classes))) {
    return fail(ErrorCode::kInvalidArgument, "evaluate: the vectors passed do not fit the model, or batch_size is 0");
  }
  const auto start = hooks.now();
  return without_exceptions("evaluation", [&]() -> Result<Evaluated> {
    const c10::InferenceMode guard;
    network.storage().load(model);
    EvaluationCounts sums(counts, classes);
    std::vector<std::int64_t> rows(static_cast<std::size_t>(examples.size()));
    std::iota(rows.begin(), rows.end(), std::int64_t{0});
    examples.begin({}, rows);
    Progress progress{.steps_done = 0, .steps_total = (rows.size() + batch_size - 1) / batch_size};
    for (std::size_t at = 0; at < rows.size(); at += batch_size) {
      if (hooks.cancelled()) {
        return fail(ErrorCode::kCancelled, "evaluation: cancelled");
      }
      CONSILIUM_ASSIGN(const Batch batch, examples.batch(std::span(rows).subspan(
                                              at, std::min<std::size_t>(batch_size, rows.size() - at))));
      const at::Tensor logits = network.forward(batch.images, Pass{}).cpu().contiguous();
      const at::Tensor labels = batch.labels.cpu();
      const float* values = logits.const_data_ptr<float>();
      for (std::int64_t i = 0; i < labels.size(0); ++i, values += classes) {
        if (!sums.add({values, static_cast<std::size_t>(classes)}, labels.const_data_ptr<std::int64_t>()[i])) {
          return fail(ErrorCode::kInvalidArgument,
                      fmt::format("evaluation: the model's output for example {} is NaN or infinite",
                                  at + static_cast<std::size_t>(i)));
        }
      }
      ++progress.steps_done;
      hooks.progress(progress);
    }
    sums.finish();
    return Evaluated{.seconds = std::chrono::duration<double>(hooks.now() - start).count()};
  });
}

}  // namespace consilium::trainer
