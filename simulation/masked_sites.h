#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/crypto/random_source.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"
#include "common/secagg/coordinator_protocol.h"
#include "common/secagg/site_protocol.h"
#include "simulation/drop_plan.h"
#include "simulation/site_identities.h"

namespace consilium::simulation {

/// The sites' side of secure aggregation in mode `masked-threshold` for simulated sites: each has a protocol of its
/// own. Nothing of it touches a disk. Not thread-safe.
class MaskedSites {
 public:
  /// @param identities  outlives the object
  MaskedSites(const SiteIdentities& identities, DropPlan drops) : identities_(identities), plan_(std::move(drops)) {}

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
  const SiteIdentities& identities_;
  DropPlan plan_;
  crypto::SystemRandom random_;
  job::SessionKey session_;
  std::map<std::string, secagg::SiteProtocol> protocols_;  ///< of the session under way
  std::map<std::string, secagg::Phase> silent_from_;
};

}  // namespace consilium::simulation
