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

/// How a site gets another key and stays the same site: the old key signs the new one.
namespace consilium::roster {

/// Writes the bytes that the signature covers (docs/formats/roster.md).
[[nodiscard]] std::vector<std::byte> succession_statement(const std::string& consortium, const Succession& succession);

/// Signs that `successor` follows the key of this certificate (PEM).
/// @param serial  of the roster that the site has accepted last
Result<Succession> sign_succession(const std::string& consortium, const std::string& site, std::uint64_t serial,
                                   const crypto::Digest& successor, std::string_view certificate_pem,
                                   const pki::Signer& signer);

/// Verifies that the old key signed a succession. kUnauthenticated where the certificate has another key, or the
/// signature isn't its. The certificate's dates don't count, as with a consent.
Result<void> check_succession(const std::string& consortium, const Succession& succession);

/// Follows a site's successions from its key in `known` to the one in `next`. kFailedPrecondition, in words that say
/// what to do, where they don't lead there, or where `next` lacks one that `known` has.
Result<void> check_successions(const Roster& known, const Roster& next, const std::string& site);

/// Holds the keys of all sites in a history of `known` to this: each is in `next` with the same key or a signed
/// successor, among the sites or the former ones. A group's sums would otherwise go on with somebody else under the
/// name of a member, and the difference of two of them would be that member's part.
Result<void> check_site_keys(const Roster& known, const Roster& next);

/// The key of a site, or the last one of a site that has left; nullptr where the roster has neither.
[[nodiscard]] const crypto::Digest* key_of(const Roster& roster, const std::string& site);
/// Every site that a history of the roster names.
[[nodiscard]] std::set<std::string> sites_in_histories(const Roster& roster);

/// Reads the file that `consilium-client roster successor` writes. Bounded like a roster; nothing is verified.
Result<std::vector<Succession>> read_successions(const std::filesystem::path& file);
/// Writes `successions:` and the list as YAML, as rosters and the file have it.
[[nodiscard]] std::string successions_text(const std::vector<Succession>& successions);

}  // namespace consilium::roster
