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

/// What is being summed.
enum class SumKind : std::uint8_t { kCensus = 1, kTrain = 2, kEvaluate = 3 };
[[nodiscard]] std::string_view name_of(SumKind kind);

/// Names one sum over sites. A census before round 1 has round 0; an evaluation has the round of the model it
/// evaluates.
struct SessionKey {
  std::string job_id;
  SumKind kind = SumKind::kCensus;
  std::uint32_t round = 0;
  std::uint32_t attempt = 1;

  auto operator<=>(const SessionKey&) const = default;
};
/// "chest-xray-1 train 3.1" (job, kind, round.attempt): for logs and errors.
[[nodiscard]] std::string to_string(const SessionKey& key);

/// The canonical record of everything that steers a site in one session; nothing else steers the trainer.
struct RoundOrder {
  SumKind kind = SumKind::kCensus;
  std::uint32_t round = 0;
  std::uint32_t attempt = 1;
  std::uint32_t group =
      0;                 ///< which of the job's groups is summed; 0 in training but for mode masked, and in plain jobs
  crypto::Digest job{};  ///< job_digest()
  crypto::Digest model{};  ///< SHA-256 of the global model's float32 bytes, little-endian; zero for a census
  std::uint64_t seed = 0;
  /// Divisor of the weights n_i / N: the training examples of all members, from the census; B k in mode masked; 0 in a
  /// census.
  std::uint64_t normaliser = 0;
  /// Of all members, from the census, where the job's class weights are balanced; empty elsewhere, and in a census.
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
/// Decodes hostile bytes; accepts only what encode() could have written (every enum known, numbers finite and in range,
/// no bytes left over).
Result<RoundOrder> decode_round_order(std::span<const std::byte> bytes);
[[nodiscard]] crypto::Digest order_digest(std::span<const std::byte> encoded);

/// Makes the task of a job: its spec for the model's classes. Fails with kInvalidArgument where the two don't fit.
Result<std::shared_ptr<const task::Task>> task_of(const JobSpec& job);

/// The layout of a session's vectors, which follows from the job alone. Fails with kInvalidArgument where the job has
/// no such session.
Result<encoding::VectorLayout> expected_layout(const JobSpec& job, const SessionKey& key);

/// The order that a job's spec gives for a session: the coordinator builds it, and every site checks what it was sent
/// against it. In mode `masked` all but `model`, `labels` and the attempt's number follows from the job, and a site
/// compares those with what was committed. In the other modes a site has no counts of its own, so `normaliser` and
/// `labels` are the coordinator's word too (bound by the digest).
/// @param normaliser  N; ignored in mode `masked`, which has weight_normaliser()
/// @param labels      as RoundOrder::labels; ignored where the job has no use for them
/// @param group       of count_groups(); 0 in training but for mode `masked`, since the sum is over the cohort there
Result<RoundOrder> expected_order(const JobSpec& job, const SessionKey& key, std::uint64_t normaliser,
                                  const crypto::Digest& model, std::uint32_t group = 0,
                                  const task::LabelCounts& labels = {});

}  // namespace consilium::job
