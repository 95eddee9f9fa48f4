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

/// The masks for the one vector of an attempt, and what is recorded when the vector is sent.
struct GroupMasks {
  std::vector<secagg::MaskTerm> terms;
  std::vector<secagg::Seen> others;  ///< GroupSite::others()
  crypto::SecretBytes tag_key;       ///< r
  crypto::SecretBytes tag_offset;    ///< s_g
  crypto::Digest cohort{};           ///< ctx2
};

/// The attempts at sums over whole groups that the site takes part in (mode `masked`). Everything is recorded in the
/// ledger before it is sent. Mask keys are kept only in memory, so a crash costs the group its attempt. One thread at a
/// time.
class GroupSessions {
 public:
  /// @param ledger,keys  must outlive the object
  GroupSessions(SiteTrust trust, GroupLedger& ledger, JobKeys& keys)
      : trust_(std::move(trust)), ledger_(ledger), keys_(keys) {}

  /// Begins an attempt whose order was checked, and generates a fresh key.
  /// @return the advert's bytes
  /// kFailedPrecondition if the job's sites haven't agreed on a key yet, or if the preceding sum isn't committed;
  /// kPermissionDenied if the order names a model other than the committed one, and whenever the ledger refuses.
  Result<std::vector<std::byte>> begin(const job::SessionKey& key, const job::RoundOrder& order,
                                       const job::JobSpec& job);
  [[nodiscard]] bool holds(const job::SessionKey& key) const { return sessions_.contains(key); }
  /// Accepts the list of all members' adverts, from which the masks are agreed. An error ends the attempt and destroys
  /// its keys.
  Result<void> receive(const job::SessionKey& key, std::span<const std::byte> message);
  /// Returns the masks of an attempt. Can be called once per attempt, for its only vector.
  Result<GroupMasks> take_masks(const job::SessionKey& key);

  /// Called when the attempt is over for this site.
  void end(const job::SessionKey& key) { sessions_.erase(key); }
  void end_job(const std::string& job_id);

 private:
  struct Session {
    job::RoundOrder order;
    std::vector<std::string> group;
    std::unique_ptr<secagg::Authenticator> authenticator;
    std::unique_ptr<pki::Signer> signer;
    std::optional<secagg::GroupSite> site;  ///< uses both
    crypto::SecretBytes agreed;             ///< K when the attempt began: the key that its context names
  };
  Result<void> receive(Session& session, std::span<const std::byte> message);
  /// Checks what the other members have seen of this site against its ledger. If they differ, the job is over for this
  /// site.
  Result<void> check_claims(const Session& session);
  Result<void> check_order(const job::RoundOrder& order, const job::JobSpec& job);

  SiteTrust trust_;
  GroupLedger& ledger_;
  JobKeys& keys_;
  crypto::SystemRandom random_;
  std::map<job::SessionKey, Session> sessions_;
  std::map<crypto::Digest, crypto::Digest> initial_models_;  ///< by job digest
};

}  // namespace consilium::masking
