#include "common/roster/consent.h"

#include <spdlog/fmt/fmt.h>

#include "common/encoding/byte_writer.h"
#include "common/pki/authority.h"
#include "common/roster/certificate_text.h"
#include "common/roster/roster_file.h"
#include "common/roster/roster_sections.h"

namespace consilium::roster {
namespace {

Result<void> check_key(const std::string& found, const crypto::Digest& expected) {
  if (found == crypto::to_hex(expected)) return {};
  return fail(ErrorCode::kUnauthenticated,
              fmt::format("its certificate has the key {}, expected the roster's {}", found, crypto::to_hex(expected)));
}

Result<void> check_scope(const Roster& roster, const Population& population, const Consent& consent) {
  const std::size_t length = population.history.size();
  const bool change = consent.kind == ConsentKind::kChange;
  if (change && consent.serial != roster.serial)
    return refuse(fmt::format("it was signed for roster {}, expected {}", consent.serial, roster.serial));
  if (consent.history > length || (change && consent.history != length))
    return refuse(
        fmt::format("it was signed over a history of {} groups, the roster's has {}", consent.history, length));
  return {};
}

}  // namespace

Result<std::vector<std::byte>> consent_statement(const Roster& roster, const Consent& consent) {
  const Population* population = population_named(roster, consent.population);
  if (population == nullptr) return refuse("the roster has no population '" + consent.population + "'");
  const bool change = consent.kind == ConsentKind::kChange;
  CONSILIUM_TRY(check_scope(roster, *population, consent));
  encoding::ByteWriter out;
  out.prefixed<std::uint64_t>(change ? "consilium/v1/roster-change" : "consilium/v1/may-leave");
  out.prefixed<std::uint64_t>(roster.consortium);
  out.prefixed<std::uint64_t>(consent.population);
  out.integer(consent.serial);
  out.bytes(history_digest(std::span(population->history).first(consent.history)));
  if (!change) return out.take();
  out.integer(std::uint64_t{population->groups.size()});
  for (const Group& group : population->groups) {
    out.integer(std::uint64_t{group.size()});
    for (const std::string& site : group) out.prefixed<std::uint64_t>(site);
  }
  out.integer(roster.colluding);
  out.integer(population->examples);
  return out.take();
}

Result<Consent> sign_consent(const Roster& roster, std::string_view population, ConsentKind kind,
                             const std::string& site, std::string_view certificate_pem, const pki::Signer& signer) {
  Consent consent;
  consent.kind = kind;
  consent.site = site;
  consent.population = population;
  consent.serial = roster.serial;
  const Population* found = population_named(roster, population);
  consent.history = found == nullptr ? 0 : found->history.size();
  CONSILIUM_ASSIGN(consent.certificate, base64_of(certificate_pem));
  CONSILIUM_ASSIGN(const std::vector<std::byte> statement, consent_statement(roster, consent));
  CONSILIUM_ASSIGN(consent.signature, signer.sign(statement));
  return consent;
}

Result<void> check_consent(const Roster& roster, const Consent& consent, const crypto::Digest& key) {
  const auto checked = [&]() -> Result<void> {
    CONSILIUM_ASSIGN(const std::vector<std::byte> statement, consent_statement(roster, consent));
    const std::string certificate = pem_of(consent.certificate);
    CONSILIUM_ASSIGN(const std::string fingerprint, pki::key_fingerprint(certificate));
    CONSILIUM_TRY(check_key(fingerprint, key));                             // check: consent-key
    CONSILIUM_TRY(pki::verify(certificate, statement, consent.signature));  // check: consent-signature
    return {};
  }();
  if (checked) return {};
  return fail(
      checked.error().within(fmt::format("consent of site '{}' in population '{}'", consent.site, consent.population)));
}

Result<std::vector<Consent>> read_consents(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const config::Value root, config::read(file, {.bytes = kMaxRosterBytes}));
  const config::Section section(root, {"consents"}, {});
  CONSILIUM_TRY(section.result());
  return read_consent_list(section.at("consents"));
}

}  // namespace consilium::roster
