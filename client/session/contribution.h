#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "client/trainer/protocol/messages.h"
#include "common/crypto/secret_bytes.h"
#include "common/error/error.h"
#include "common/job/round_order.h"
#include "common/parameters/parameter_manifest.h"
#include "common/task/task.h"

/// Turns what a trainer returned into the vector that a site contributes to a sum. The daemons and the simulator
/// share this code, so that both give the same bytes.
namespace consilium::session {

Result<std::vector<std::uint32_t>> census_contribution(const job::RoundOrder& order, const trainer::Prepared& prepared);

/// @param examples  the site's n_i; refused where it exceeds the order's N in a plain job, and counted as N in a masked
///                  one, where a refusal would tell something about n_i
/// @param delta     local - global in the manifest's order; NaN and infinity are refused, the parameter named. What the
///                  trainer wrote for frozen tensors is not looked at
/// @param memory    an earlier round's vector, whose memory the new one takes
Result<std::vector<std::uint32_t>> train_contribution(const job::RoundOrder& order, const ParameterManifest& manifest,
                                                      std::uint64_t examples, const trainer::Trained& trained,
                                                      std::span<const float> delta,
                                                      std::vector<std::uint32_t> memory = {});

/// Takes the words of a vector piece by piece, front to back; it may change them, as masks do.
using WordSink = std::function<Result<void>(std::span<std::uint32_t>)>;
/// Gives train_contribution()'s words to `sink` in pieces that stay in cache, so that they never lie in memory
/// together.
/// @param threads  that will work on a piece at once: each gets as much as one would
Result<void> stream_train_contribution(const job::RoundOrder& order, const ParameterManifest& manifest,
                                       std::uint64_t examples, const trainer::Trained& trained,
                                       std::span<const float> delta, const WordSink& sink, unsigned threads = 1);

/// @param counts  what the trainer filled; refused where they contradict each other (task::Task::check)
Result<std::vector<std::uint32_t>> evaluate_contribution(const job::RoundOrder& order, const task::Task& task,
                                                         std::span<const std::uint64_t> counts);

/// Mode masked: what a site contributes in the place of a result that can't be used (the errors with kInvalidArgument
/// above). The count `unusable` is 1, and every other word is uniform, so that neither the sum without it nor anything
/// about the result is to be had.
/// @param key  SiteSecret::unusable_key()
Result<std::vector<std::uint32_t>> unusable_contribution(const job::RoundOrder& order, const crypto::SecretBytes& key);

}  // namespace consilium::session
