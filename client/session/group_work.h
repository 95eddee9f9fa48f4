#pragma once

#include <optional>
#include <stop_token>

#include "client/masking/group_mode.h"
#include "client/session/model_cache.h"
#include "client/session/session_machine.h"
#include "client/session/site_trainer.h"
#include "client/transport/coordinator_link.h"

namespace consilium::session {

/// A site's work for sums over whole groups (mode masked): it computes its vector of a sum once, masks it for each
/// attempt, and checks totals. The data of a job are fixed before its first sum. One thread at a time.
class GroupWork {
 public:
  struct Parts {
    SiteTrainer& trainer;
    masking::GroupMode& groups;
    transport::CoordinatorLink& link;
    ModelCache models;
    unsigned threads = 1;  ///< number of threads that encode and mask
  };
  explicit GroupWork(Parts parts) : parts_(std::move(parts)) {}

  /// Computes and seals this site's vector of the sum, unless an earlier attempt has done so.
  /// @return Worked, or AboveBound if the site had more examples than the population's bound when the job began
  Result<SiteEvent> work(const ActiveSession& session, const AcceptedJob& job, std::stop_token stop);
  /// Uploads the sealed vector under the attempt's masks. @return Uploaded
  Result<SiteEvent> upload(const Upload& upload, masking::GroupMasks masks, std::stop_token stop);
  /// Checks a total and signs the outcome.
  /// @return Endorsed or TotalRefused
  SiteEvent check_total(const CheckTotal& effect, const std::stop_token& stop);

 private:
  Result<void> seal(const ActiveSession& session, const AcceptedJob& job, const masking::JobData& data,
                    std::stop_token stop);
  Result<void> seal_unusable(const job::SessionKey& session, const job::RoundOrder& order, const Error& why);
  [[nodiscard]] masking::JobData data_now(const AcceptedJob& job) const;
  /// Compares the order's label counts with those in the job's committed census, which this site checked.
  Result<void> check_labels(const ActiveSession& session, const AcceptedJob& job, const std::stop_token& stop);

  /// The census counts of the last job with balanced class weights.
  struct Counted {
    crypto::Digest job{};
    task::LabelCounts labels;
  };

  Parts parts_;
  std::optional<Counted> counted_;
};

}  // namespace consilium::session
