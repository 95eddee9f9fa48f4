#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::session {

/// Stands for every round of a job: with it, LocalTensors::put_into() uses the latest values.
inline constexpr std::uint32_t kAnyRound = std::numeric_limits<std::uint32_t>::max();

/// The tensors that a site trains for itself (model.local), as in FedBN (Li et al. 2021, algorithm 1). Each job's
/// tensors are stored in their own files, so that a site continues with them after a restart. A site that hasn't
/// trained in a job yet uses the global model's. The values from before a round's training are kept until the next
/// round's training, so that repeating a round gives the same result. The daemons and the simulator share this code.
/// Only one thread and one process may use a folder at a time.
class LocalTensors {
 public:
  /// @param folder  created if it is missing
  explicit LocalTensors(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Copies the site's own values, as they were after the last round before `before_round`, into a global model.
  /// kDataLoss if a file is damaged.
  /// @param model  manifest.parameter_count() floats
  /// @return whether the site had trained in the job before that round; if not, the model stays unchanged
  Result<bool> put_into(const crypto::Digest& job, const ParameterManifest& manifest, std::uint32_t before_round,
                        std::span<float> model) const;
  /// Stores the values that training in a round gave them, on disk before it returns.
  /// @param model,delta  the model that training began with, and the change that it made
  Result<void> keep(const crypto::Digest& job, const ParameterManifest& manifest, std::uint32_t round,
                    std::span<const float> model, std::span<const float> delta) const;

  /// Removes what is stored for a job.
  void forget(const crypto::Digest& job) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace consilium::session
