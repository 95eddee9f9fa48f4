#pragma once

#include <optional>
#include <stop_token>

#include "client/masking/group_mode.h"
#include "client/session/model_cache.h"
#include "client/session/session_machine.h"
#include "client/session/site_trainer.h"
#include "client/transport/coordinator_link.h"

namespace consilium::session {

/// What a site does for sums over whole groups (mode masked): it makes its vector of a sum once, hides it in each
/// attempt, and checks totals. The data of a job are fixed before its first sum. One thread at a time.
class GroupWork {
 public:
  struct Parts {
    SiteTrainer& trainer;
    masking::GroupMode& groups;
    transport::CoordinatorLink& link;
    ModelCache models;
    unsigned threads = 1;  ///< that encode and mask
  };
  explicit GroupWork(Parts parts) : parts_(std::move(parts)) {}

  /// Makes and seals this site's vector of the sum, unless an earlier attempt has.
  /// @return Worked; AboveBound where the site had more examples than the population's bound when the job began
  Result<SiteEvent> work(const ActiveSession& session, const AcceptedJob& job, std::stop_token stop);
  /// Uploads the sealed vector under the attempt's masks. @return Uploaded
  Result<SiteEvent> upload(const Upload& upload, masking::GroupMasks masks, std::stop_token stop);
  /// Checks a total and signs what follows from it. @return Endorsed or TotalRefused
  SiteEvent check_total(const CheckTotal& effect, const std::stop_token& stop);

 private:
  Result<void> seal(const ActiveSession& session, const AcceptedJob& job, const masking::JobData& data,
                    std::stop_token stop);
  Result<void> seal_unusable(const job::RoundOrder& order, const Error& why);
  [[nodiscard]] masking::JobData data_now(const AcceptedJob& job) const;
  /// Compares the order's label counts with those of the job's committed census, which this site checked.
  Result<void> check_labels(const ActiveSession& session, const AcceptedJob& job, const std::stop_token& stop);

  /// What the census of the last job with balanced class weights counted.
  struct Counted {
    crypto::Digest job{};
    task::LabelCounts labels;
  };

  Parts parts_;
  std::optional<Counted> counted_;
};

}  // namespace consilium::session
