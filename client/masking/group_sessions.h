#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/masking/group_ledger.h"
#include "client/masking/job_keys.h"
#include "client/masking/masked_sessions.h"
#include "common/crypto/random_source.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"
#include "common/pki/signer.h"
#include "common/secagg/authenticator.h"
#include "common/secagg/group_site.h"

namespace consilium::masking {

/// What hides the one vector of an attempt, and what is recorded when it leaves.
struct GroupMasks {
  std::vector<secagg::MaskTerm> terms;
  std::vector<secagg::Seen> others;  ///< GroupSite::others()
  crypto::SecretBytes tag_key;       ///< r
  crypto::SecretBytes tag_offset;    ///< s_g
  crypto::Digest cohort{};           ///< ctx2
};

/// The attempts at sums over whole groups that the site takes part in (mode `masked`). Whatever it lets out is in the
/// ledger before. Keys of masks live in memory alone: a crash costs the group its attempt. One thread at a time.
class GroupSessions {
 public:
  /// @param ledger,keys  outlive the object
  GroupSessions(SiteTrust trust, GroupLedger& ledger, JobKeys& keys)
      : trust_(std::move(trust)), ledger_(ledger), keys_(keys) {}

  /// Begins an attempt whose order was checked: draws a fresh key. @return the advert's bytes
  /// kFailedPrecondition where the job's sites haven't agreed on a key yet, or what comes before isn't committed;
  /// kPermissionDenied where the order names another model than the committed one, and from the ledger.
  Result<std::vector<std::byte>> begin(const job::SessionKey& key, const job::RoundOrder& order,
                                       const job::JobSpec& job);
  [[nodiscard]] bool holds(const job::SessionKey& key) const { return sessions_.contains(key); }
  /// Takes the list of everybody's adverts; the masks are then agreed on. An error ends the attempt: its keys are gone.
  Result<void> receive(const job::SessionKey& key, std::span<const std::byte> message);
  /// Hands out the masks of an attempt, once: for its only vector.
  Result<GroupMasks> take_masks(const job::SessionKey& key);

  /// The attempt is over for this site.
  void end(const job::SessionKey& key) { sessions_.erase(key); }
  void end_job(const std::string& job_id);

 private:
  struct Session {
    job::RoundOrder order;
    std::vector<std::string> group;
    std::unique_ptr<secagg::Authenticator> authenticator;
    std::unique_ptr<pki::Signer> signer;
    std::optional<secagg::GroupSite> site;  ///< uses both
    crypto::SecretBytes agreed;             ///< K when the attempt began: the one that its context names
  };
  Result<void> receive(Session& session, std::span<const std::byte> message);
  /// Holds what the other members have seen of this site against its ledger; where they differ, the job is over for it.
  Result<void> check_claims(const Session& session);
  Result<void> check_order(const job::RoundOrder& order, const job::JobSpec& job);

  SiteTrust trust_;
  GroupLedger& ledger_;
  JobKeys& keys_;
  crypto::SystemRandom random_;
  std::map<job::SessionKey, Session> sessions_;
  std::map<crypto::Digest, crypto::Digest> initial_models_;  ///< by the job's digest
};

}  // namespace consilium::masking
