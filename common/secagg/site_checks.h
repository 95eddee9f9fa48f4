#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "common/error/error.h"
#include "common/secagg/authenticator.h"
#include "common/secagg/messages.h"
#include "common/secagg/site_protocol.h"

/// The checks that a site makes before it sends each message, step by step. Each check is on its own line, which also
/// carries its name, so that scripts/remove_checks can remove it and report which test fails (docs/threat-model.md
/// lists them).
namespace consilium::secagg {

/// Checks the participants and their keys, before step 2.
Result<void> check_adverts(const SiteSetup& setup, const Advert& own, const AdvertList& list,
                           const Authenticator& authenticator);
/// Checks the senders of the boxes, before step 3. The contents are checked when the boxes are opened.
Result<void> check_boxes(const Boxes& boxes, std::size_t sites, Rank self, std::size_t needed);
/// Checks the list of sites whose vectors are to be summed, before step 4.
Result<void> check_survivors(const SiteSetup& setup, const AdvertList& adverts, const Survivors& survivors,
                             std::span<const Rank> sharers, Rank self, std::size_t needed);
/// Checks that enough survivors have signed the same list, before step 5.
Result<void> check_confirmations(const UnmaskRequest& request, const AdvertList& adverts,
                                 std::span<const Rank> survivors, std::size_t needed,
                                 std::span<const std::byte> statement, const Authenticator& authenticator);

}  // namespace consilium::secagg
