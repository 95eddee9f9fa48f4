#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "common/aggregation/strategy.h"
#include "common/aggregation/streaming_sum.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/parameters/parameter_manifest.h"
#include "coordinator/journal/blob_store.h"
#include "coordinator/round/round_events.h"
#include "coordinator/round/status_board.h"

namespace consilium::round {

/// A job's global model: the blob that sites fetch, and how a round's sum becomes the next one. Not thread-safe.
class GlobalModel {
 public:
  /// @param initial  in the store, and kept there until two newer models are published
  /// @param blobs    outlives the object
  GlobalModel(const job::JobSpec& spec, ParameterManifest manifest, const crypto::Digest& initial,
              journal::BlobStore& blobs);
  /// Releases the models that it retains.
  ~GlobalModel();
  GlobalModel(const GlobalModel&) = delete;
  GlobalModel& operator=(const GlobalModel&) = delete;

  /// Of the latest model that was published.
  [[nodiscard]] const crypto::Digest& digest() const { return latest_; }
  [[nodiscard]] std::uint64_t bytes() const { return manifest_.parameter_count() * sizeof(float); }

  /// Divides the sum, lets the strategy make the next model of it, and stores that durably; it isn't published yet. The
  /// sum's words are gone afterwards. After an error the object is of no use: the job ends.
  Result<StatusBoard::Training> next(aggregation::StreamingSum& sum, const CloseSum& action);
  /// SHA-256 of the strategy's state after the last next(): what sites sign beside the model.
  [[nodiscard]] crypto::Digest state_digest() const { return aggregation::state_digest(server_state_); }
  /// Makes a model that next() stored the latest. The last two stay in the store: sites may
  /// still be fetching the one before.
  void publish(const crypto::Digest& model);
  /// Keeps a model that was published beside the last two, until another one is to be kept.
  void keep(const crypto::Digest& model);
  /// Gives the parameters' memory back, once the job has ended. Returns the model that keep() named last, or the last
  /// one that was published, if there is one: whoever calls this then ends its retain().
  [[nodiscard]] std::optional<crypto::Digest> end();

 private:
  Result<crypto::Digest> apply(std::span<const float> delta);
  Result<void> load();

  job::StrategySpec spec_;
  std::uint64_t normaliser_;  ///< B k of the weights in mode masked; 0 where the census gives it
  ParameterManifest manifest_;
  std::unique_ptr<aggregation::MeanStrategy> strategy_;
  aggregation::ServerState server_state_;
  journal::BlobStore& blobs_;
  /// Of the latest, once a round has needed them; they stay in memory between rounds, since reading and allocating them
  /// anew costs more than their memory is worth.
  ParameterVector parameters_;
  crypto::Digest latest_;
  bool latest_held_ = true;                ///< is its retain() ours to end?
  bool published_ = false;                 ///< is the latest one of a committed round?
  std::optional<crypto::Digest> before_;   ///< the one before the latest
  std::optional<crypto::Digest> pending_;  ///< stored, and not published yet
  std::optional<crypto::Digest> kept_;     ///< see keep()
};

}  // namespace consilium::round
