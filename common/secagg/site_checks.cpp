#include "common/secagg/site_checks.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>

#include "common/job/cohort_rules.h"
#include "common/secagg/transcript.h"

namespace consilium::secagg {
namespace {

/// Refuses with kPermissionDenied unless `holds`.
Result<void> require(bool holds, std::string why) {
  if (holds) return {};
  return fail(ErrorCode::kPermissionDenied, std::move(why));
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

bool all_different(const AdvertList& list) {
  std::set<crypto::X25519PublicKey> keys;
  for (const Advert& advert : list.adverts) {
    keys.insert(canonical(advert.channel_key));
    keys.insert(canonical(advert.mask_key));
  }
  return keys.size() == 2 * list.adverts.size();
}

bool each_once(const AdvertList& list) {
  const auto falls = [](const Advert& a, const Advert& b) { return a.site >= b.site; };
  return std::ranges::adjacent_find(list.adverts, falls) == list.adverts.end();
}

}  // namespace

Result<void> check_adverts(const SiteSetup& setup, const Advert& own, const AdvertList& list,
                           const Authenticator& authenticator) {
  const std::size_t sites = list.adverts.size();
  const std::size_t smallest = std::max(job::smallest_cohort(setup.colluding), setup.minimum_survivors);
  CONSILIUM_TRY(require(sites <= kMaxSites, "adverts: more than 255 sites"));
  CONSILIUM_TRY(require(each_once(list), "adverts: a site is listed twice"));  // check: names-differ
  CONSILIUM_TRY(require(sites >= smallest,
                        fmt::format("adverts: found {} sites; this site takes part only with {} or more", sites,
                                    smallest)));                                // check: smallest-cohort
  CONSILIUM_TRY(require(all_different(list), "adverts: a key is used twice"));  // check: keys-differ
  const auto self = std::ranges::find(list.adverts, setup.site, &Advert::site);
  CONSILIUM_TRY(require(self != list.adverts.end(), "adverts: this site isn't among them"));
  CONSILIUM_TRY(require(*self == own, "adverts: this site's own advert was changed"));  // check: own-advert
  for (const Advert& advert : list.adverts) {
    const auto named = [&advert](Result<void> checked) -> Result<void> {
      if (checked) return {};
      return fail(checked.error().within("advert of " + advert.site));
    };
    CONSILIUM_TRY(require(contains(setup.eligible, advert.site),
                          "adverts: the job doesn't list " + advert.site));                  // check: eligible
    CONSILIUM_TRY(named(authenticator.check_certificate(advert.site, advert.certificate)));  // check: certificate
    const auto statement = advert_statement(setup.context, advert);
    CONSILIUM_TRY(
        named(authenticator.verify(advert.certificate, statement, advert.signature)));  // check: advert-signature
  }
  return {};
}

Result<void> check_boxes(const Boxes& boxes, std::size_t sites, Rank self, std::size_t needed) {
  for (const Box& box : boxes.boxes) {
    CONSILIUM_TRY(require(box.from < sites, fmt::format("boxes: found rank {} among {} sites", box.from, sites)));
    CONSILIUM_TRY(require(box.from != self, "boxes: found one from this site itself"));  // check: box-of-other
  }
  const auto falls = [](const Box& a, const Box& b) { return a.from >= b.from; };
  CONSILIUM_TRY(require(std::ranges::adjacent_find(boxes.boxes, falls) == boxes.boxes.end(),
                        "boxes: found two from one site"));  // check: boxes-differ
  const std::size_t sharers = boxes.boxes.size() + 1;
  CONSILIUM_TRY(require(sharers >= needed, fmt::format("boxes: {} sites shared keys, the threshold is {}", sharers,
                                                       needed)));  // check: sharers-threshold
  return {};
}

Result<void> check_survivors(const SiteSetup& setup, const AdvertList& adverts, const Survivors& survivors,
                             std::span<const Rank> sharers, Rank self, std::size_t needed) {
  const std::vector<Rank>& list = survivors.ranks;
  CONSILIUM_TRY(require(std::ranges::includes(sharers, list),
                        "survivors: one of them never shared keys"));  // check: survivors-shared
  CONSILIUM_TRY(require(std::ranges::binary_search(list, self),
                        "survivors: this site isn't among them"));  // check: self-survives
  CONSILIUM_TRY(require(list.size() >= needed, fmt::format("survivors: {} sites, the threshold is {}", list.size(),
                                                           needed)));  // check: survivors-threshold
  CONSILIUM_TRY(
      require(list.size() >= setup.minimum_survivors,
              fmt::format("survivors: found {} sites; this site's policy requires {} (policy.yaml: minimum_survivors)",
                          list.size(), setup.minimum_survivors)));  // check: policy-minimum
  if (!setup.exactly) return {};
  std::set<std::string> names;
  for (const Rank rank : list) names.insert(adverts.adverts[rank].site);
  const std::set<std::string> expected(setup.exactly->begin(), setup.exactly->end());
  CONSILIUM_TRY(require(names == expected,
                        "survivors: expected exactly the members of the group, because counts are summed over all of "
                        "them"));  // check: counts-complete
  return {};
}

Result<void> check_confirmations(const UnmaskRequest& request, const AdvertList& adverts,
                                 std::span<const Rank> survivors, std::size_t needed,
                                 std::span<const std::byte> statement, const Authenticator& authenticator) {
  const auto& given = request.confirmations;
  CONSILIUM_TRY(require(given.size() >= needed, fmt::format("unmask request: {} confirmations, the threshold is {}",
                                                            given.size(), needed)));  // check: confirmations-threshold
  const auto falls = [](const Signed& a, const Signed& b) { return a.site >= b.site; };
  CONSILIUM_TRY(require(std::ranges::adjacent_find(given, falls) == given.end(),
                        "unmask request: a site confirms twice"));  // check: confirmations-differ
  for (const Signed& confirmation : given) {
    CONSILIUM_TRY(require(
        std::ranges::binary_search(survivors, confirmation.site),
        "unmask request: a confirmation from a site that isn't among the survivors"));  // check: confirmed-by-survivor
    const Advert& advert = adverts.adverts[confirmation.site];
    auto verified = authenticator.verify(advert.certificate, statement, confirmation.signature);
    CONSILIUM_TRY(
        require(verified.has_value(), fmt::format("unmask request: confirmation of {}: it signed something else",
                                                  advert.site)));  // check: confirmation-signature
  }
  return {};
}

}  // namespace consilium::secagg
