#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/masking/ledger.h"
#include "common/crypto/random_source.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"
#include "common/pki/signer.h"
#include "common/pki/trust.h"
#include "common/secagg/authenticator.h"
#include "common/secagg/site_protocol.h"

namespace consilium::masking {

/// What the site checks the coordinator against: its own copies of the root, the revocation list and the key, and its
/// own policy.
struct SiteTrust {
  std::string site;
  std::filesystem::path certificate, key;  ///< PEM files; read for each session, so that a renewal needs no restart
  std::shared_ptr<const pki::TrustStore> authorities;
  std::uint32_t minimum_survivors = 0;  ///< policy.yaml
  bool allow_changed_cohort = false;    ///< policy.yaml
};

/// The masked sums that the site takes part in: the protocol of each (common/secagg), and the ledger, which outlives
/// them. Everything is on disk before it is sent. One thread at a time.
class MaskedSessions {
 public:
  MaskedSessions(SiteTrust trust, Ledger ledger);

  /// Step 1 of a session whose order was checked: generates fresh keys.
  /// @return the advert's bytes
  Result<std::vector<std::byte>> begin(const job::SessionKey& key, const job::RoundOrder& order,
                                       const job::JobSpec& job);

  /// The result of processing a coordinator's message.
  struct Answer {
    std::vector<std::byte> bytes;  ///< to be sent; empty: nothing
    bool keyed = false;            ///< the masks are now agreed
    bool confirmed = false;        ///< the site has just signed the list of survivors
    bool revealed = false;         ///< the site will send nothing new in this session
  };
  /// Processes a message. A message that was answered before gets the identical answer. Otherwise an error ends the
  /// session: the keys are destroyed, and nothing more will be answered.
  Result<Answer> receive(const job::SessionKey& key, std::span<const std::byte> message);

  /// Returns the masks of a session. Can be called once per session, for its only vector.
  Result<std::vector<secagg::MaskTerm>> take_masks(const job::SessionKey& key);
  [[nodiscard]] Ledger& ledger() { return ledger_; }

  /// Called when the session is over for this site.
  void end(const job::SessionKey& key);
  void end_job(const std::string& job_id);

 private:
  struct Session {
    job::RoundOrder order;
    std::string dataset;
    std::unique_ptr<secagg::Authenticator> authenticator;
    std::unique_ptr<pki::Signer> signer;
    std::optional<secagg::SiteProtocol> protocol;  ///< uses both
  };
  Result<secagg::SiteSetup> setup_of(const job::SessionKey& key, const job::RoundOrder& order, const job::JobSpec& job);
  Result<Answer> answer_to(const job::SessionKey& key, std::span<const std::byte> message);
  Result<std::optional<secagg::SiteMessage>> advance(const job::SessionKey& key, Session& session,
                                                     const secagg::CoordinatorMessage& message);

  SiteTrust trust_;
  Ledger ledger_;
  crypto::SystemRandom random_;
  std::map<job::SessionKey, Session> sessions_;
  std::vector<job::SessionKey> revealed_;  ///< sessions whose answers may still be requested again
};

}  // namespace consilium::masking
