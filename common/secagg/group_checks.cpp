#include "common/secagg/group_checks.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>
#include <set>

#include "common/job/cohort_rules.h"
#include "common/secagg/group_transcript.h"

namespace consilium::secagg {
namespace {

Result<void> require(bool holds, ErrorCode code, std::string why) {
  if (holds) return {};
  return fail(code, std::move(why));
}

Result<void> require(bool holds, std::string why) {
  return require(holds, ErrorCode::kPermissionDenied, std::move(why));
}

bool exactly_members(const std::vector<std::string>& members, const GroupAdvertList& list) {
  return std::ranges::equal(members, list.adverts, {}, {}, &GroupAdvert::site);
}

bool all_different(const GroupAdvertList& list) {
  std::set<crypto::X25519PublicKey> keys;
  for (const GroupAdvert& advert : list.adverts) keys.insert(canonical(advert.mask_key));
  return keys.size() == list.adverts.size();
}

/// Returns the number of the latest advert of a member under which this site has uploaded; 0 for this site itself.
std::uint64_t seen_of(const GroupSiteSetup& setup, const std::string& member) {
  std::size_t other = 0;
  for (const std::string& name : setup.members) {
    if (name == setup.site) continue;
    if (name == member) return setup.seen[other].number;
    ++other;
  }
  return 0;
}

Result<void> check_advert(const GroupSiteSetup& setup, const GroupAdvert& advert, const Authenticator& authenticator) {
  const std::size_t others = setup.members.size() - 1;
  const auto statement = advert_statement(setup.context, advert);
  CONSILIUM_TRY(authenticator.check_certificate(advert.site, advert.certificate));       // check: group-certificate
  CONSILIUM_TRY(authenticator.verify(advert.certificate, statement, advert.signature));  // check: group-signature
  CONSILIUM_TRY(
      require(advert.seen.size() == others, fmt::format("it names {} other members, expected {}", advert.seen.size(),
                                                        others)));  // check: group-seen
  CONSILIUM_TRY(require(advert.number > seen_of(setup, advert.site),
                        fmt::format("its number is {}, but this site has uploaded under its advert {}: has {} gone "
                                    "back to an older state?",
                                    advert.number, seen_of(setup, advert.site), advert.site)));  // check: group-number
  return {};
}

}  // namespace

Result<void> check_group_setup(const GroupSiteSetup& setup) {
  constexpr auto kWrong = ErrorCode::kInvalidArgument;
  const std::size_t size = setup.members.size();
  const std::size_t smallest = job::smallest_cohort(setup.colluding);
  CONSILIUM_TRY(
      require(setup.colluding >= 1, kWrong,
              "colluding sites: expected 1 or more; 0 would admit a group of one site"));  // check: group-colluding
  CONSILIUM_TRY(require(size >= smallest, kWrong,
                        fmt::format("the group has {} sites; expected {} or more if {} may collude", size, smallest,
                                    setup.colluding)));  // check: group-size
  CONSILIUM_TRY(require(size <= kMaxGroupMembers, kWrong,
                        fmt::format("the group has {} sites, expected {} or fewer", size, kMaxGroupMembers)));
  const bool rising = std::ranges::adjacent_find(setup.members, std::greater_equal{}) == setup.members.end();
  CONSILIUM_TRY(
      require(rising, kWrong, "the group's sites: expected them in order of name, each once"));  // check: group-order
  CONSILIUM_TRY(require(std::ranges::binary_search(setup.members, setup.site), kWrong,
                        fmt::format("{} isn't a member of the group", setup.site)));  // check: group-member
  CONSILIUM_TRY(require(setup.number >= 1 && setup.seen.size() + 1 == size, kWrong,
                        fmt::format("found advert {} with {} other members; expected a number from 1, and {} members",
                                    setup.number, setup.seen.size(), size - 1)));
  return {};
}

Result<void> check_group_adverts(const GroupSiteSetup& setup, const GroupAdvert& own, const GroupAdvertList& list,
                                 const Authenticator& authenticator) {
  CONSILIUM_TRY(require(
      exactly_members(setup.members, list),
      "adverts: expected exactly one from each member of the group, in order of name"));  // check: group-members
  const auto self = std::ranges::find(list.adverts, setup.site, &GroupAdvert::site);
  CONSILIUM_TRY(require(self != list.adverts.end(), "adverts: this site isn't among them"));
  CONSILIUM_TRY(require(*self == own, "adverts: this site's own advert was changed"));  // check: group-own-advert
  CONSILIUM_TRY(require(all_different(list), "adverts: a key is used twice"));          // check: group-keys-differ
  for (const GroupAdvert& advert : list.adverts) {
    if (const auto checked = check_advert(setup, advert, authenticator); !checked)
      return fail(checked.error().within("advert of " + advert.site));
  }
  return {};
}

Result<void> check_mask_key(const crypto::X25519PublicKey& key) {
  CONSILIUM_ASSIGN(crypto::SecretBytes any, crypto::SecretBytes::allocate(kSecretBytes));
  CONSILIUM_ASSIGN(const crypto::X25519KeyPair pair, crypto::X25519KeyPair::from_private(std::move(any)));
  CONSILIUM_TRY(pair.agree(key));
  return {};
}

}  // namespace consilium::secagg
