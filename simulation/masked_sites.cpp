#include "simulation/masked_sites.h"

#include <utility>

#include "common/job/cohort_rules.h"
#include "common/secagg/mask.h"
#include "common/secagg/transcript.h"

namespace consilium::simulation {

void MaskedSites::open(const job::SessionKey& key, const job::RoundOrder& order,
                       const std::vector<std::string>& cohort) {
  session_ = key;
  protocols_.clear();
  silent_from_.clear();
  if (key.kind != job::SumKind::kTrain) return;
  silent_from_ = draw_dropouts(plan_, order.seed, order.round, cohort);
}

bool MaskedSites::drops(const std::string& site, secagg::Phase step) const {
  const auto silent = silent_from_.find(site);
  return silent != silent_from_.end() && step >= silent->second;
}

Result<secagg::SiteMessage> MaskedSites::begin(const std::string& site, const job::RoundOrder& order,
                                               const job::JobSpec& job) {
  const SiteIdentities::Identity& own = identities_.of(site);
  secagg::SiteSetup setup;
  setup.context = secagg::attempt_context(order);
  setup.site = site;
  setup.certificate = own.certificate;
  setup.colluding = job::colluding_sites(job);
  setup.eligible = order.kind == job::SumKind::kTrain ? job.federation.sites : job::count_groups(job).at(order.group);
  CONSILIUM_ASSIGN(secagg::SiteProtocol protocol,
                   secagg::SiteProtocol::start(std::move(setup), *identities_.authenticator(), *own.signer, random_));
  secagg::SiteMessage advert = protocol.advert();
  protocols_.insert_or_assign(site, std::move(protocol));
  return advert;
}

Result<std::optional<secagg::SiteMessage>> MaskedSites::receive(const std::string& site,
                                                                const secagg::CoordinatorMessage& message) {
  const auto found = protocols_.find(site);
  if (found == protocols_.end()) return fail(ErrorCode::kFailedPrecondition, site + " isn't in that session");
  return found->second.receive(message);
}

bool MaskedSites::keyed(const std::string& site) const {
  const auto found = protocols_.find(site);
  return found != protocols_.end() && found->second.keyed();
}

Result<void> MaskedSites::mask(const std::string& site, std::span<std::uint32_t> words, unsigned threads) {
  const auto found = protocols_.find(site);
  if (found == protocols_.end()) return fail(ErrorCode::kFailedPrecondition, site + " isn't in that session");
  CONSILIUM_ASSIGN(const std::vector<secagg::MaskTerm> masks, found->second.take_masks());
  return secagg::add_masks(masks, 0, words, threads);
}

}  // namespace consilium::simulation
