#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::session {

/// Every round of a job: what LocalTensors::put_into() takes for the last values there are.
inline constexpr std::uint32_t kAnyRound = std::numeric_limits<std::uint32_t>::max();

/// The tensors that a site trains for itself (model.local), as in FedBN (Li et al. 2021, algorithm 1): each job's lie
/// in files of their own, so that a site goes on with them after a restart. A site that hasn't trained in a job yet has
/// the global model's. What it held before a round's training stays until the next round's, so that a round that is
/// repeated gives the same again. Daemons and simulator share this code. One thread and one process at a time a folder.
class LocalTensors {
 public:
  /// @param folder  made where it is missing
  explicit LocalTensors(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Puts the site's own values, as they were after the last round before this one, into a global model. kDataLoss
  /// where a file is damaged.
  /// @param model  manifest.parameter_count() floats
  /// @return whether the site had trained in the job before that round; the model stays as it is where it hadn't
  Result<bool> put_into(const crypto::Digest& job, const ParameterManifest& manifest, std::uint32_t before_round,
                        std::span<float> model) const;
  /// Keeps what training in a round made of them, on the disk before it returns.
  /// @param model,delta  that training began with, and that it gave
  Result<void> keep(const crypto::Digest& job, const ParameterManifest& manifest, std::uint32_t round,
                    std::span<const float> model, std::span<const float> delta) const;

  /// Removes what is kept of a job.
  void forget(const crypto::Digest& job) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace consilium::session
