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

/// The sites' side of secure aggregation in mode `masked-threshold`, for simulated sites. Each site has its own
/// protocol object. Nothing is written to disk. Not thread-safe.
class MaskedSites {
 public:
  /// @param identities  must outlive the object
  MaskedSites(const SiteIdentities& identities, DropPlan drops) : identities_(identities), plan_(std::move(drops)) {}

  /// Draws which sites drop out in a session, as a function of (seed, round, names) alone. Only training sessions have
  /// dropouts.
  void open(const job::SessionKey& key, const job::RoundOrder& order, const std::vector<std::string>& cohort);
  /// Returns the session that open() named last. The messages of earlier ones are obsolete.
  [[nodiscard]] const job::SessionKey& session() const { return session_; }
  /// Returns true if the site drops out at this step or before.
  [[nodiscard]] bool drops(const std::string& site, secagg::Phase step) const;

  /// Step 1. @return the advert
  Result<secagg::SiteMessage> begin(const std::string& site, const job::RoundOrder& order, const job::JobSpec& job);
  Result<std::optional<secagg::SiteMessage>> receive(const std::string& site,
                                                     const secagg::CoordinatorMessage& message);
  [[nodiscard]] bool keyed(const std::string& site) const;
  /// Masks the site's only vector of this session.
  Result<void> mask(const std::string& site, std::span<std::uint32_t> words, unsigned threads);

 private:
  const SiteIdentities& identities_;
  DropPlan plan_;
  crypto::SystemRandom random_;
  job::SessionKey session_;
  std::map<std::string, secagg::SiteProtocol> protocols_;  ///< for the current session
  std::map<std::string, secagg::Phase> silent_from_;
};

}  // namespace consilium::simulation
