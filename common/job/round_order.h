#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/encoding/vector_layout.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/task/class_balance.h"
#include "common/task/task.h"

namespace consilium::job {

/// The quantity that a session sums.
enum class SumKind : std::uint8_t { kCensus = 1, kTrain = 2, kEvaluate = 3 };
[[nodiscard]] std::string_view name_of(SumKind kind);

/// Identifies one sum over sites. A census before round 1 has round 0. An evaluation has the round of the model that it
/// evaluates.
struct SessionKey {
  std::string job_id;
  SumKind kind = SumKind::kCensus;
  std::uint32_t round = 0;
  std::uint32_t attempt = 1;

  auto operator<=>(const SessionKey&) const = default;
};
/// Returns "chest-xray-1 train 3.1" (job, kind, round.attempt), for logs and errors.
[[nodiscard]] std::string to_string(const SessionKey& key);

/// The canonical record of everything that controls a site's work in one session. Nothing else controls the trainer.
struct RoundOrder {
  SumKind kind = SumKind::kCensus;
  std::uint32_t round = 0;
  std::uint32_t attempt = 1;
  std::uint32_t group =
      0;  ///< index of the job's group that is summed; 0 in plain jobs, and in training except in mode masked
  crypto::Digest job{};    ///< job_digest()
  crypto::Digest model{};  ///< SHA-256 of the global model's float32 bytes, little-endian; zero for a census
  std::uint64_t seed = 0;
  /// Divisor of the weights n_i / N. Outside mode masked, the training examples of all members, from the census. In
  /// mode masked, B k in training and 0 in an evaluation. Always 0 in a census.
  std::uint64_t normaliser = 0;
  /// The label counts of all members, from the census, if the job's class weights are balanced; otherwise, and in a
  /// census, empty.
  task::LabelCounts labels{};
  encoding::VectorLayout layout;
  // Training; zero otherwise.
  std::uint32_t local_epochs = 0;
  std::uint32_t batch_size = 0;
  OptimizerSpec optimizer;  ///< learning_rate is this round's
  double proximal_mu = 0.0;
  std::uint64_t time_limit_ms = 0;  ///< 0: none
  bool keep_partial = false;        ///< false: a site that ran out of time answers "partial" without an update
  Weighting weighting = Weighting::kCohort;
  // Evaluation.
  Split split = Split::kVal;

  bool operator==(const RoundOrder&) const = default;
};

/// Largest encoded order accepted, in bytes.
inline constexpr std::size_t kMaxOrderBytes = 1 << 20;

/// Encodes canonically: little-endian, fixed order, length-prefixed strings (docs/formats/round_order.md).
[[nodiscard]] std::vector<std::byte> encode(const RoundOrder& order);
/// Decodes an order from an untrusted source. Accepts only what encode() could have written: every enum known, numbers
/// finite and in range, no bytes left over.
Result<RoundOrder> decode_round_order(std::span<const std::byte> bytes);
[[nodiscard]] crypto::Digest order_digest(std::span<const std::byte> encoded);

/// Creates the task of a job from its spec and the model's classes. Fails with kInvalidArgument if the two don't fit
/// together.
Result<std::shared_ptr<const task::Task>> task_of(const JobSpec& job);

/// Returns the layout of a session's vectors, which follows from the job alone. Fails with kInvalidArgument if the job
/// has no such session.
Result<encoding::VectorLayout> expected_layout(const JobSpec& job, const SessionKey& key);

/// Returns the order that a job's spec implies for a session. The coordinator builds the order with it, and every site
/// checks the order that it received against it. In mode `masked` everything except `model`, `labels` and the attempt's
/// number follows from the job, and a site compares the model and the labels with what was committed. In the other
/// modes a site has no counts of its own, so it must trust the coordinator for `normaliser` and `labels` too (they are
/// bound by the digest).
/// @param normaliser  N; ignored in mode `masked`, which uses weight_normaliser()
/// @param labels      as RoundOrder::labels; ignored if the job doesn't use them
/// @param group       index into count_groups(); 0 in training except in mode `masked`, because the sum is over the
///                    cohort there
Result<RoundOrder> expected_order(const JobSpec& job, const SessionKey& key, std::uint64_t normaliser,
                                  const crypto::Digest& model, std::uint32_t group = 0,
                                  const task::LabelCounts& labels = {});

}  // namespace consilium::job
