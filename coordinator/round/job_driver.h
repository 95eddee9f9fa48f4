#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/job/job_spec.h"
#include "common/job/round_order.h"
#include "common/report/job_status.h"
#include "common/secagg/authenticator.h"
#include "coordinator/journal/blob_store.h"
#include "coordinator/journal/journal.h"
#include "coordinator/round/round_machine.h"
#include "coordinator/round/site_gateway.h"

namespace consilium::round {

/// Runs one job: feeds events to the pure round machine (round_machine.h), journals its effects and carries them out.
/// The single owner of the job's state; every call comes from one thread.
class JobDriver {
 public:
  struct Parts {
    SiteGateway& gateway;
    journal::Journal& journal;
    journal::BlobStore& blobs;
    std::function<void(const report::JobStatus&)>
        changed;  ///< after every change that someone watching would like to see
    /// Of a masked job: whose signatures count. Without it a masked job is refused, unless it is simulated.
    std::shared_ptr<const secagg::Authenticator> authenticator = nullptr;
    /// The simulator alone: sum without masks where there is no authenticator, which gives the same bytes.
    bool simulated = false;
    unsigned threads = 1;  ///< that take masks off
  };

  /// @param initial_model digest of the blob with the initial weights, already in the store
  static Result<std::unique_ptr<JobDriver>> create(std::string job_id, std::string researcher, const job::JobSpec& spec,
                                                   const crypto::Digest& initial_model, Parts parts);
  ~JobDriver();

  /// May this site be offered the job: it is listed, or the job lists none.
  [[nodiscard]] bool wants(const std::string& site) const;

  void begin(Clock::time_point now);                                    ///< leaves the queue
  void site_connected(const std::string& site, Clock::time_point now);  ///< offers the job
  void site_left(const std::string& site, Clock::time_point now);
  void job_answer(const std::string& site, bool accepted, const std::string& reason, Clock::time_point now);
  void progress(const std::string& site, const wire::SessionProgress& progress);
  /// A vector arrived whole; its digest is verified. Refused (and the site told why) where the session isn't open to
  /// it.
  Result<void> vector_received(const std::string& site, const job::SessionKey& key, WordSource& words,
                               Clock::time_point now);
  void partial_received(const std::string& site, const job::SessionKey& key, Clock::time_point now);
  /// A step of secure aggregation.
  void masking_received(const std::string& site, const wire::Masking& step, Clock::time_point now);
  void site_failed(const std::string& site, const job::SessionKey& key, const std::string& reason,
                   Clock::time_point now);
  void stop(const std::string& reason, Clock::time_point now);
  void tick(Clock::time_point now);
  [[nodiscard]] std::optional<Clock::time_point> next_deadline() const;  ///< when tick() is due

  /// Does the session take a vector from this site, and of how many words: asked before any byte is spooled.
  Result<std::uint64_t> expected_words(const std::string& site, const job::SessionKey& key) const;

  [[nodiscard]] const report::JobStatus& status() const;
  [[nodiscard]] const job::JobSpec& spec() const;
  [[nodiscard]] bool ended() const;

 private:
  class Impl;
  explicit JobDriver(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::round
