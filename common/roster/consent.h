#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"
#include "common/pki/signer.h"
#include "common/roster/roster.h"

/// The signatures by which a site agrees to a change that lets others compute its part of a sum.
namespace consilium::roster {

/// Returns the bytes that a consent's signature covers (docs/formats/roster.md). For a change these are the consortium,
/// population, serial, digest of the history, groups in force, c and B of `roster`. For `may-leave` they are the
/// consortium, the population, and the serial and the history of the roster under which it was signed; that history
/// must still be the beginning of the history in `roster`. Fails with kInvalidArgument if the consent isn't about this
/// roster: another serial, a history of another length, or a population that doesn't exist.
Result<std::vector<std::byte>> consent_statement(const Roster& roster, const Consent& consent);

/// Signs a consent for `site`.
/// @param certificate_pem  the site's certificate
Result<Consent> sign_consent(const Roster& roster, std::string_view population, ConsentKind kind,
                             const std::string& site, std::string_view certificate_pem, const pki::Signer& signer);

/// Verifies that a consent is about `roster` and is signed by the key with this fingerprint. Fails with
/// kUnauthenticated if the certificate has another key or the signature isn't by that key. The certificate's dates
/// don't count, because the members compared the fingerprint, not the dates.
Result<void> check_consent(const Roster& roster, const Consent& consent, const crypto::Digest& key);

/// Reads the file that `consilium-client roster consent` writes. The limits on input are those of a roster. Doesn't
/// verify the signatures.
Result<std::vector<Consent>> read_consents(const std::filesystem::path& file);
/// Returns `consents:` and the list as YAML, as they appear in rosters and consent files.
[[nodiscard]] std::string consents_text(const std::vector<Consent>& consents);

}  // namespace consilium::roster
