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

/// Converts what a trainer returned into the vector that a site contributes to a sum. The daemons and the simulator
/// share this code, so that both produce the same bytes.
namespace consilium::session {

Result<std::vector<std::uint32_t>> census_contribution(const job::RoundOrder& order, const trainer::Prepared& prepared);

/// @param examples  the site's n_i. If it exceeds the order's N, a plain job refuses it. A masked job counts it as N,
///                  because a refusal would reveal something about n_i
/// @param delta     local - global in the manifest's order. NaN and infinity are refused, and the error names the
///                  parameter. What the trainer wrote for frozen tensors is ignored
/// @param memory    an earlier round's vector, whose memory is reused
Result<std::vector<std::uint32_t>> train_contribution(const job::RoundOrder& order, const ParameterManifest& manifest,
                                                      std::uint64_t examples, const trainer::Trained& trained,
                                                      std::span<const float> delta,
                                                      std::vector<std::uint32_t> memory = {});

/// Receives the words of a vector piece by piece, from front to back; it may change them, as masks do.
using WordSink = std::function<Result<void>(std::span<std::uint32_t>)>;
/// Passes the words of train_contribution() to `sink` in pieces that fit in the cache, so that they are never all in
/// memory at the same time.
/// @param threads  how many threads will work on a piece at once; the piece grows with their number
Result<void> stream_train_contribution(const job::RoundOrder& order, const ParameterManifest& manifest,
                                       std::uint64_t examples, const trainer::Trained& trained,
                                       std::span<const float> delta, const WordSink& sink, unsigned threads = 1);

/// @param counts  the counts that the trainer filled in; refused if they contradict each other (task::Task::check)
Result<std::vector<std::uint32_t>> evaluate_contribution(const job::RoundOrder& order, const task::Task& task,
                                                         std::span<const std::uint64_t> counts);

/// Mode masked: returns what a site contributes in place of a result that can't be used (the errors with
/// kInvalidArgument above). The count `unusable` is 1, and every other word is uniformly random, so that nobody can
/// obtain the sum without this site, or learn anything about the result.
/// @param key  SiteSecret::unusable_key()
Result<std::vector<std::uint32_t>> unusable_contribution(const job::RoundOrder& order, const crypto::SecretBytes& key);

}  // namespace consilium::session
