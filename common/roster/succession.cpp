#include "common/roster/succession.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "common/encoding/byte_writer.h"
#include "common/pki/authority.h"
#include "common/roster/certificate_text.h"
#include "common/roster/roster_file.h"
#include "common/roster/roster_sections.h"

namespace consilium::roster {
namespace {

Result<void> require(bool holds, std::string why) {
  if (holds) return {};
  return fail(ErrorCode::kFailedPrecondition, std::move(why));
}

std::vector<Succession> successions_of(const Roster& roster, const std::string& site) {
  std::vector<Succession> own;
  std::copy_if(roster.successions.begin(), roster.successions.end(), std::back_inserter(own),
               [&](const Succession& one) { return one.site == site; });
  return own;
}

/// Returns true if two successions state the same. Their signatures may differ, because one statement has several valid
/// ones.
bool same_statement(const Succession& a, const Succession& b) {
  return a.site == b.site && a.serial == b.serial && a.key == b.key && a.successor == b.successor;
}

}  // namespace

std::vector<std::byte> succession_statement(const std::string& consortium, const Succession& succession) {
  encoding::ByteWriter out;
  out.prefixed<std::uint64_t>(std::string_view("consilium/v1/succession"));
  out.prefixed<std::uint64_t>(consortium);
  out.prefixed<std::uint64_t>(succession.site);
  out.bytes(succession.key);
  out.bytes(succession.successor);
  out.integer(succession.serial);
  return out.take();
}

Result<Succession> sign_succession(const std::string& consortium, const std::string& site, std::uint64_t serial,
                                   const crypto::Digest& successor, std::string_view certificate_pem,
                                   const pki::Signer& signer) {
  Succession made;
  made.site = site;
  made.serial = serial;
  made.successor = successor;
  CONSILIUM_ASSIGN(made.certificate, base64_of(certificate_pem));
  CONSILIUM_ASSIGN(const std::string fingerprint, pki::key_fingerprint(std::string(certificate_pem)));
  CONSILIUM_ASSIGN(made.key, crypto::digest_from_hex(fingerprint));
  CONSILIUM_ASSIGN(made.signature, signer.sign(succession_statement(consortium, made)));
  return made;
}

Result<void> check_succession(const std::string& consortium, const Succession& succession) {
  const auto checked = [&]() -> Result<void> {
    const std::string certificate = pem_of(succession.certificate);
    CONSILIUM_ASSIGN(const std::string fingerprint, pki::key_fingerprint(certificate));
    if (fingerprint != crypto::to_hex(succession.key)) {
      return fail(ErrorCode::kUnauthenticated, fmt::format("its certificate has the key {}, expected {}", fingerprint,
                                                           crypto::to_hex(succession.key)));  // check: succession-key
    }
    CONSILIUM_TRY(pki::verify(certificate, succession_statement(consortium, succession),
                              succession.signature));  // check: succession-signature
    return {};
  }();
  if (checked) return {};
  return fail(checked.error().within(fmt::format("succession of site '{}'", succession.site)));
}

Result<void> check_successions(const Roster& known, const Roster& next, const std::string& site) {
  const crypto::Digest* before = key_of(known, site);
  const crypto::Digest* after = key_of(next, site);
  if (before == nullptr || after == nullptr) return {};
  const std::vector<Succession> old = successions_of(known, site);
  const std::vector<Succession> now = successions_of(next, site);
  const auto [kept, fresh] = std::mismatch(old.begin(), old.end(), now.begin(), now.end(), same_statement);
  CONSILIUM_TRY(
      require(kept == old.end(), fmt::format("successions: one of site '{}' in roster {} is missing, or comes at "
                                             "another place: successions can only be added at the end of the list",
                                             site, known.serial)));  // check: succession-kept
  crypto::Digest key = *before;
  for (auto one = fresh; one != now.end(); ++one) {
    CONSILIUM_TRY(require(one->key == key,
                          fmt::format("successions: site '{}': expected a succession of the key {}, found one of {}",
                                      site, crypto::to_hex(key),
                                      crypto::to_hex(one->key))));  // check: succession-chain
    CONSILIUM_TRY(check_succession(known.consortium, *one));
    key = one->successor;
  }
  return require(
      key == *after,
      fmt::format(
          "sites: '{}' has the key {} instead of {}, and the old key didn't sign that, so somebody else may be using "
          "its name. Have {} run `consilium-client roster successor` with the old key, then run `consilium ca roster "
          "--successor`. If the old key is lost, {} has to leave, and to join under a name that no history has",
          site, crypto::to_hex(*after), crypto::to_hex(key), site, site));
}

Result<void> check_site_keys(const Roster& known, const Roster& next) {
  for (const std::string& site : sites_in_histories(known)) {
    const crypto::Digest* before = key_of(known, site);
    if (before == nullptr) continue;
    CONSILIUM_TRY(require(key_of(next, site) != nullptr,
                          fmt::format("former: lacks site '{}', which has left, with its key {}: a history names it",
                                      site, crypto::to_hex(*before))));  // check: roster-former
    CONSILIUM_TRY(check_successions(known, next, site));                 // check: roster-key-change
  }
  return {};
}

const crypto::Digest* key_of(const Roster& roster, const std::string& site) {
  if (const auto found = roster.sites.find(site); found != roster.sites.end()) return &found->second;
  const auto former = roster.former.find(site);
  return former == roster.former.end() ? nullptr : &former->second;
}

std::set<std::string> sites_in_histories(const Roster& roster) {
  std::set<std::string> sites;
  for (const Population& population : roster.populations) {
    for (const Group& group : population.history) sites.insert(group.begin(), group.end());
  }
  return sites;
}

Result<std::vector<Succession>> read_successions(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const config::Value root, config::read(file, {.bytes = kMaxRosterBytes}));
  const config::Section section(root, {"successions"}, {});
  CONSILIUM_TRY(section.result());
  return read_succession_list(section.at("successions"));
}

}  // namespace consilium::roster
