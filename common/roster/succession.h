#pragma once

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"
#include "common/pki/signer.h"
#include "common/roster/roster.h"

/// Successions: a site gets another key and stays the same site, because the old key signs the new one.
namespace consilium::roster {

/// Returns the bytes that the signature covers (docs/formats/roster.md).
[[nodiscard]] std::vector<std::byte> succession_statement(const std::string& consortium, const Succession& succession);

/// Signs a statement that `successor` follows the key of this certificate (PEM).
/// @param serial  of the last roster that the site has accepted
Result<Succession> sign_succession(const std::string& consortium, const std::string& site, std::uint64_t serial,
                                   const crypto::Digest& successor, std::string_view certificate_pem,
                                   const pki::Signer& signer);

/// Verifies that the old key signed a succession. Fails with kUnauthenticated if the certificate has another key or the
/// signature isn't by that key. As with a consent, the certificate's dates don't count.
Result<void> check_succession(const std::string& consortium, const Succession& succession);

/// Follows a site's successions from its key in `known` to its key in `next`. Fails with kFailedPrecondition if they
/// don't lead there, or if `next` lacks one that `known` has. The message says what to do.
Result<void> check_successions(const Roster& known, const Roster& next, const std::string& site);

/// Checks the keys of all sites in a history of `known`: `next` must have each site with the same key or a signed
/// successor, among its sites or its former sites. Otherwise the sums of a group could continue with an impostor under
/// a member's name, and the difference of two of them would be that member's part.
Result<void> check_site_keys(const Roster& known, const Roster& next);

/// Returns the key of a site, or the last key of a site that has left, or nullptr if the roster has neither.
[[nodiscard]] const crypto::Digest* key_of(const Roster& roster, const std::string& site);
/// Returns every site that occurs in a history of the roster.
[[nodiscard]] std::set<std::string> sites_in_histories(const Roster& roster);

/// Reads the file that `consilium-client roster successor` writes. The limits on input are those of a roster. Nothing
/// is verified.
Result<std::vector<Succession>> read_successions(const std::filesystem::path& file);
/// Returns `successions:` and the list as YAML, as they appear in rosters and in that file.
[[nodiscard]] std::string successions_text(const std::vector<Succession>& successions);

}  // namespace consilium::roster
