#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"
#include "common/pki/signer.h"
#include "common/roster/roster.h"

/// Signatures with which a site agrees to a change that lets others compute its part of a sum.
namespace consilium::roster {

/// Writes the bytes that a consent's signature covers (docs/formats/roster.md): for a change the consortium,
/// population, serial, digest of the history, groups in force, c and B of `roster`; for `may-leave` the consortium,
/// population, and the serial and the history of the roster under which it was signed, whose first groups `roster`
/// still has. kInvalidArgument where the consent isn't about this roster: another serial, a history of another length,
/// a population that isn't there.
Result<std::vector<std::byte>> consent_statement(const Roster& roster, const Consent& consent);

/// Signs for `site`, whose certificate is given in PEM.
Result<Consent> sign_consent(const Roster& roster, std::string_view population, ConsentKind kind,
                             const std::string& site, std::string_view certificate_pem, const pki::Signer& signer);

/// Verifies that a consent is about `roster` and signed by the key of this fingerprint. kUnauthenticated where the
/// certificate has another key, or the signature isn't its. The certificate's dates don't count: the fingerprint is
/// what the members compared.
Result<void> check_consent(const Roster& roster, const Consent& consent, const crypto::Digest& key);

/// Reads the file that `consilium-client roster consent` writes. Bounded like a roster; signatures aren't verified.
Result<std::vector<Consent>> read_consents(const std::filesystem::path& file);
/// Writes `consents:` and the list as YAML, as rosters and consent files have it.
[[nodiscard]] std::string consents_text(const std::vector<Consent>& consents);

}  // namespace consilium::roster
