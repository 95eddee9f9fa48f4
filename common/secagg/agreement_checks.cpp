#include "common/secagg/agreement_checks.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>

#include "common/job/cohort_rules.h"
#include "common/secagg/agreement_transcript.h"

namespace consilium::secagg {
namespace {

/// Refuses with kPermissionDenied unless `holds`.
Result<void> require(bool holds, std::string why) {
  if (holds) return {};
  return fail(ErrorCode::kPermissionDenied, std::move(why));
}

Result<void> named(Result<void> checked, const std::string& whose) {
  if (checked) return {};
  return fail(checked.error().within(whose));
}

bool each_once(const AgreementAdvertList& list) {
  const auto falls = [](const AgreementAdvert& a, const AgreementAdvert& b) { return a.site >= b.site; };
  return std::ranges::adjacent_find(list.adverts, falls) == list.adverts.end();
}

bool keys_differ(const AgreementAdvertList& list) {
  std::set<crypto::X25519PublicKey> keys;
  for (const AgreementAdvert& advert : list.adverts) keys.insert(canonical(advert.box_key));
  return keys.size() == list.adverts.size();
}

}  // namespace

Result<void> check_setup(const AgreementSetup& setup) {
  const auto refuse = [](std::string why) { return fail(ErrorCode::kInvalidArgument, "agreement: " + std::move(why)); };
  if (setup.colluding == 0) return refuse("expected at least one site that may collude, found c = 0");
  if (setup.groups.empty()) return refuse("the job has no groups");
  const std::size_t smallest = job::smallest_cohort(setup.colluding);
  std::set<std::string> names;
  std::size_t sites = 0;
  for (std::size_t group = 0; group < setup.groups.size(); ++group) {
    const std::size_t members = setup.groups[group].size();
    if (members < smallest)
      return refuse(fmt::format("group {} has {} sites; if {} may collude it needs {}", group, members, setup.colluding,
                                smallest));
    names.insert(setup.groups[group].begin(), setup.groups[group].end());
    sites += members;
  }
  if (names.size() != sites) return refuse("a site is listed twice in the job's groups");
  if (sites > kMaxSites)
    return refuse(fmt::format("the job has {} sites; at most {} can agree on a key", sites, kMaxSites));
  return {};
}

Result<std::vector<std::uint32_t>> whole_groups(const AgreementSetup& setup, std::span<const std::string> names) {
  const std::set<std::string> present(names.begin(), names.end());
  std::vector<std::uint32_t> groups;
  std::size_t members = 0;
  for (std::size_t index = 0; index < setup.groups.size(); ++index) {
    const auto& group = setup.groups[index];
    const auto there = std::ranges::count_if(group, [&](const std::string& name) { return present.contains(name); });
    const auto count = static_cast<std::size_t>(there);
    CONSILIUM_TRY(require(count == 0 || count == group.size(),
                          fmt::format("{} of the {} sites of group {} are listed; expected all or none", count,
                                      group.size(), index)));  // check: agreement-whole-groups
    members += count;
    if (count > 0) groups.push_back(static_cast<std::uint32_t>(index));
  }
  CONSILIUM_TRY(require(members == present.size(),
                        "a listed site is in none of the job's groups"));  // check: agreement-sites-of-job
  return groups;
}

Result<std::vector<std::uint32_t>> check_agreement_adverts(const AgreementSetup& setup, const AgreementAdvert& own,
                                                           const AgreementAdvertList& list,
                                                           const Authenticator& authenticator) {
  CONSILIUM_TRY(require(each_once(list), "adverts: a site is listed twice"));     // check: agreement-names-differ
  CONSILIUM_TRY(require(keys_differ(list), "adverts: a box key is used twice"));  // check: agreement-keys-differ
  const auto self = rank_of(list, own.site);
  CONSILIUM_TRY(require(self.has_value(), "adverts: this site isn't among them"));
  CONSILIUM_TRY(require(list.adverts[*self] == own,
                        "adverts: this site's own advert was changed"));  // check: agreement-own-advert
  std::vector<std::string> names;
  for (const AgreementAdvert& advert : list.adverts) names.push_back(advert.site);
  auto groups = whole_groups(setup, names);
  if (!groups) return fail(groups.error().within("adverts"));
  CONSILIUM_TRY(require(2 * groups->size() > setup.groups.size(),
                        fmt::format("adverts: {} of the job's {} groups take part; no round is committed without more "
                                    "than half of them",
                                    groups->size(), setup.groups.size())));  // check: agreement-majority
  const crypto::Digest context = agreement_context(setup.job, setup.attempt);
  for (const AgreementAdvert& advert : list.adverts) {
    const std::string whose = "advert of " + advert.site;
    CONSILIUM_TRY(named(authenticator.check_certificate(advert.site, advert.certificate),
                        whose));  // check: agreement-certificate
    CONSILIUM_TRY(named(authenticator.verify(advert.certificate, advert_statement(context, advert), advert.signature),
                        whose));  // check: agreement-advert-signature
  }
  return std::move(*groups);
}

Result<void> check_delivered_boxes(const DeliveredBoxes& delivered, const crypto::Digest& sites,
                                   const AgreementAdvertList& list, Rank self, const Authenticator& authenticator) {
  const std::size_t others = list.adverts.size() - 1;
  CONSILIUM_TRY(require(delivered.boxes.size() <= others,
                        fmt::format("boxes: found {}, expected at most one from each of {} other sites",
                                    delivered.boxes.size(), others)));
  CONSILIUM_TRY(require(delivered.boxes.size() == others,
                        fmt::format("boxes: found those of {} sites, expected those of all {} others",
                                    delivered.boxes.size(), others)));  // check: agreement-boxes-complete
  for (std::size_t i = 0; i < delivered.boxes.size(); ++i) {
    const Rank from = other_rank(i, self);
    const auto& [commitment, box] = delivered.boxes[i];
    const auto statement = number_box_statement(sites, from, self, box.sealed, commitment);
    const AgreementAdvert& sender = list.adverts[from];
    CONSILIUM_TRY(named(authenticator.verify(sender.certificate, statement, box.signature),
                        "box of " + sender.site));  // check: agreement-box-signature
  }
  return {};
}

Result<void> check_accusation(const Accusation& accusation, const crypto::Digest& sites,
                              const AgreementAdvertList& list, Rank self, const crypto::Digest& commitment,
                              const Authenticator& authenticator) {
  CONSILIUM_TRY(require(accusation.from < list.adverts.size(),
                        fmt::format("accusation: found rank {} among {} sites", accusation.from, list.adverts.size())));
  const auto statement = complaint_statement(sites, accusation.from, self, commitment);
  const AgreementAdvert& complainer = list.adverts[accusation.from];
  CONSILIUM_TRY(named(authenticator.verify(complainer.certificate, statement, accusation.signature),
                      "accusation by " + complainer.site));  // check: agreement-complaint-signature
  return {};
}

Result<void> check_openings(const Openings& openings, std::span<const Rank> asked,
                            std::span<const crypto::Digest> commitments, const crypto::Digest& sites,
                            const AgreementAdvertList& list) {
  const auto of = [](const Opened& opened) { return opened.from; };
  CONSILIUM_TRY(
      require(std::ranges::includes(asked, openings.numbers, {}, {}, of),
              "openings: found a number that this site didn't complain about"));  // check: agreement-openings-asked
  CONSILIUM_TRY(
      require(openings.numbers.size() == asked.size(),
              fmt::format("openings: found {} numbers, but this site complained about {}", openings.numbers.size(),
                          asked.size())));  // check: agreement-openings-complete
  for (const auto& [from, number] : openings.numbers) {
    const crypto::Digest commitment = number_commitment(sites, from, number);
    CONSILIUM_TRY(require(crypto::equal_in_constant_time(commitment, commitments[from]),
                          fmt::format("openings: the number of {} isn't the one that it committed to",
                                      list.adverts[from].site)));  // check: agreement-opening-fits
  }
  return {};
}

Rank other_rank(std::size_t index, Rank self) { return static_cast<Rank>(index < self ? index : index + 1); }
std::size_t index_of_other(Rank rank, Rank self) { return rank < self ? rank : rank - 1U; }

std::optional<Rank> rank_of(const AgreementAdvertList& list, const std::string& site) {
  const auto found = std::ranges::find(list.adverts, site, &AgreementAdvert::site);
  if (found == list.adverts.end()) return std::nullopt;
  return static_cast<Rank>(found - list.adverts.begin());
}

}  // namespace consilium::secagg
