#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/crypto/random_source.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"
#include "common/pki/signer.h"
#include "common/secagg/authenticator.h"
#include "common/secagg/coordinator_protocol.h"
#include "common/secagg/site_protocol.h"
#include "simulation/temporary_folder.h"

namespace consilium::simulation {

/// How many of each round's cohort fall silent at a step.
using DropPlan = std::map<secagg::Phase, std::uint32_t>;
/// Reads "share:2" or "advertise:1,unmask:1": steps advertise, share, upload, confirm and unmask.
Result<DropPlan> parse_drop_plan(const std::string& text);

/// The sites' side of secure aggregation for simulated sites: each has a key, a certificate of an authority made for
/// the occasion, and a protocol of its own. Nothing of it touches a disk but the certificates. Not thread-safe.
class MaskedSites {
 public:
  /// Makes the consortium in a folder that goes with the object.
  static Result<std::unique_ptr<MaskedSites>> create(const std::vector<std::string>& sites, DropPlan drops);

  /// The sites' real fingerprints, for the job that they train.
  [[nodiscard]] const job::Roster& roster() const { return roster_; }
  [[nodiscard]] std::shared_ptr<const secagg::Authenticator> authenticator() const { return authenticator_; }

  /// Draws who falls silent in a session, a function of (seed, round, names) alone; training sessions only.
  void open(const job::SessionKey& key, const job::RoundOrder& order, const std::vector<std::string>& cohort);
  /// The session that open() named last; what was said in earlier ones is over.
  [[nodiscard]] const job::SessionKey& session() const { return session_; }
  /// Does the site fall silent at this step or before?
  [[nodiscard]] bool drops(const std::string& site, secagg::Phase step) const;

  /// Step 1. @return the advert
  Result<secagg::SiteMessage> begin(const std::string& site, const job::RoundOrder& order, const job::JobSpec& job);
  Result<std::optional<secagg::SiteMessage>> receive(const std::string& site,
                                                     const secagg::CoordinatorMessage& message);
  [[nodiscard]] bool keyed(const std::string& site) const;
  /// Masks the site's one vector of this session.
  Result<void> mask(const std::string& site, std::span<std::uint32_t> words, unsigned threads);

 private:
  struct Identity {
    std::string certificate;
    std::unique_ptr<pki::Signer> signer;
  };
  explicit MaskedSites(TemporaryFolder folder, DropPlan drops) : folder_(std::move(folder)), plan_(std::move(drops)) {}

  TemporaryFolder folder_;
  DropPlan plan_;
  std::map<std::string, Identity> identities_;
  job::Roster roster_;
  std::shared_ptr<const secagg::Authenticator> authenticator_;
  crypto::SystemRandom random_;
  job::SessionKey session_;
  std::map<std::string, secagg::SiteProtocol> protocols_;  ///< of the session under way
  std::map<std::string, secagg::Phase> silent_from_;
};

}  // namespace consilium::simulation
