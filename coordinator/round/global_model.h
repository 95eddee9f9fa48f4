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

/// A job's global model: the blob that sites fetch, and the computation of the next model from a round's sum. Not
/// thread-safe.
class GlobalModel {
 public:
  /// @param initial  a blob in the store; it is kept there until two newer models have been published
  /// @param blobs    must outlive the object
  GlobalModel(const job::JobSpec& spec, ParameterManifest manifest, const crypto::Digest& initial,
              journal::BlobStore& blobs);
  /// Releases the models that it retains.
  ~GlobalModel();
  GlobalModel(const GlobalModel&) = delete;
  GlobalModel& operator=(const GlobalModel&) = delete;

  /// Returns the digest of the model that was published last, or of the initial one.
  [[nodiscard]] const crypto::Digest& digest() const { return latest_; }
  [[nodiscard]] std::uint64_t bytes() const { return manifest_.parameter_count() * sizeof(float); }

  /// Divides the sum, lets the strategy compute the next model from it, and stores that model durably without
  /// publishing it. The sum's words are lost afterwards. After an error the object is unusable, and the job ends.
  Result<StatusBoard::Training> next(aggregation::StreamingSum& sum, const CloseSum& action);
  /// Returns the SHA-256 of the strategy's state after the last next(). Sites sign it together with the model.
  [[nodiscard]] crypto::Digest state_digest() const { return aggregation::state_digest(server_state_); }
  /// Makes a model that next() stored the latest one. The last two models stay in the store, because sites may still be
  /// fetching the previous one.
  void publish(const crypto::Digest& model);
  /// Keeps a published model in addition to the last two, until another model is to be kept.
  void keep(const crypto::Digest& model);
  /// Frees the parameters' memory once the job has ended. Returns the model that keep() named last, or else the last
  /// published one, if there is one. The caller is then responsible for ending its retain().
  [[nodiscard]] std::optional<crypto::Digest> end();

 private:
  Result<crypto::Digest> apply(std::span<const float> delta);
  Result<void> load();

  job::StrategySpec spec_;
  std::uint64_t normaliser_;  ///< B k of the weights in mode masked; 0 if the census determines it
  ParameterManifest manifest_;
  std::unique_ptr<aggregation::MeanStrategy> strategy_;
  aggregation::ServerState server_state_;
  journal::BlobStore& blobs_;
  /// Parameters of the latest model, once a round has needed them. They stay in memory between rounds, since reading
  /// and allocating them again costs more than their memory is worth.
  ParameterVector parameters_;
  crypto::Digest latest_;
  bool latest_held_ = true;                ///< this object has to end the latest model's retain()
  bool published_ = false;                 ///< the latest model is that of a committed round
  std::optional<crypto::Digest> before_;   ///< the model before the latest one
  std::optional<crypto::Digest> pending_;  ///< stored but not published yet
  std::optional<crypto::Digest> kept_;     ///< see keep()
};

}  // namespace consilium::round
