#include "client/session/inseparable.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <vector>

#include "client/policy/unusual_terms.h"
#include "common/job/learning_rates.h"

namespace consilium::session {
namespace {

constexpr std::size_t kMostSampled = std::size_t{1} << 20;
constexpr std::size_t kSizes = std::size_t{1} << 16;  // a float's exponent and eight binary digits
constexpr std::size_t kFewSizes = 16;
/// In units of a sum's words. A smaller change is rounded so coarsely that it reveals no n_i.
constexpr double kCoarsest = 16.0;

/// How often each size occurs.
struct Sizes {
  std::size_t sampled = 0;
  std::vector<std::uint32_t> counts = std::vector<std::uint32_t>(kSizes);
};

/// Returns the relative change of each tensor by decoupled weight decay in a round (0 or negative). It is public, like
/// the tensor.
std::vector<double> decayed_shares(const job::RoundOrder& order, const ParameterManifest& manifest,
                                   const job::RateFactors& factors, std::uint64_t examples) {
  std::vector<double> shares(manifest.tensors().size(), 0.0);
  if (order.optimizer.kind != job::OptimizerKind::kAdamW || order.batch_size == 0) return shares;
  const std::uint64_t steps = (examples + order.batch_size - 1) / order.batch_size * order.local_epochs;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const TensorInfo& tensor = manifest.tensors()[i];
    if (tensor.role != TensorRole::kTrainable) continue;
    const double rate = order.optimizer.learning_rate * job::rate_factor(factors, tensor.name);
    shares[i] = std::pow(1.0 - rate * order.optimizer.weight_decay, static_cast<double>(steps)) - 1.0;
  }
  return shares;
}

Result<Sizes> sizes_of(const job::RoundOrder& order, const ParameterManifest& manifest, const job::RateFactors& factors,
                       std::uint64_t examples, std::span<const float> global, std::span<const float> delta) {
  CONSILIUM_ASSIGN(const std::vector<encoding::Field> fields, encoding::parameter_fields(order.layout, manifest));
  Sizes sizes;
  const std::vector<double> shares = decayed_shares(order, manifest, factors, examples);
  const double weight =
      static_cast<double>(examples) / static_cast<double>(std::max<std::uint64_t>(order.normaliser, 1));
  // Odd, so that it isn't aligned with rows of even length: every position in a row is sampled in turn.
  const std::size_t stride = (manifest.update_size() / kMostSampled + 1) | 1;
  std::size_t next = 0;    // within the current run
  std::size_t tensor = 0;  // the tensor that contains that position
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const TensorRun& run = manifest.update_runs()[i];
    const double least = kCoarsest / (std::min(weight, 1.0) * fields[i].scale);
    for (; next < run.size; next += stride) {
      ++sizes.sampled;
      const std::size_t place = run.offset + next;
      while (place >= manifest.tensors()[tensor].offset + manifest.tensors()[tensor].size) ++tensor;
      const double change = delta[place];
      const double kept = change - shares[tensor] * global[place];
      const double own = std::fabs(change) < fields[i].bound ? std::fabs(kept) : fields[i].bound;
      if (own > least) ++sizes.counts[std::bit_cast<std::uint32_t>(static_cast<float>(own)) >> 15];
    }
    next -= run.size;
  }
  return sizes;
}

bool are_few(const Sizes& sizes) {
  if (sizes.sampled < policy::kFewestCoordinates) return false;
  std::uint32_t pair = 0;
  for (std::size_t i = 1; i < kSizes; ++i) pair = std::max(pair, sizes.counts[i - 1] + sizes.counts[i]);
  std::vector<std::uint32_t> most(kFewSizes);
  std::ranges::partial_sort_copy(sizes.counts, most, std::greater{});
  std::uint64_t together = 0;
  for (const std::uint32_t count : most) together += count;
  return 4 * std::uint64_t{pair} > sizes.sampled || 2 * together > sizes.sampled;
}

}  // namespace

Result<void> check_inseparable(const job::RoundOrder& order, const ParameterManifest& manifest,
                               const job::RateFactors& factors, std::uint64_t examples, std::span<const float> global,
                               std::span<const float> delta) {
  const bool has_examples = order.layout.find(encoding::kExamples) != nullptr;
  const bool masked = !has_examples || order.layout.find(encoding::kUnusable) != nullptr;
  if (!masked) return {};
  if (global.size() != manifest.parameter_count() || delta.size() != manifest.parameter_count())
    return fail(ErrorCode::kInternal, fmt::format("found a model of {} parameters and an update of {}, expected {}",
                                                  global.size(), delta.size(), manifest.parameter_count()));
  CONSILIUM_ASSIGN(const Sizes sizes, sizes_of(order, manifest, factors, examples, global, delta));
  if (!are_few(sizes)) return {};
  return fail(ErrorCode::kInvalidArgument,
              "the update's changes have few sizes, so that the updates of single hospitals could be recovered from a "
              "sum of few; let adam make more steps per round, with smaller batches or more epochs");
}

}  // namespace consilium::session
