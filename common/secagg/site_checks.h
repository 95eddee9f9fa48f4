#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "common/error/error.h"
#include "common/secagg/authenticator.h"
#include "common/secagg/messages.h"
#include "common/secagg/site_protocol.h"

/// What a site checks before it says anything more, step by step. Each check stands on a line of its own with its name,
/// so that scripts/remove_checks can take it away and see which test notices (docs/threat-model.md lists them).
namespace consilium::secagg {

/// Before step 2: who takes part, and with which keys.
Result<void> check_adverts(const SiteSetup& setup, const Advert& own, const AdvertList& list,
                           const Authenticator& authenticator);
/// Before step 3: whose shares came. What is in the boxes is checked by opening them.
Result<void> check_boxes(const Boxes& boxes, std::size_t sites, Rank self, std::size_t needed);
/// Before step 4: whose vectors are to be summed.
Result<void> check_survivors(const SiteSetup& setup, const AdvertList& adverts, const Survivors& survivors,
                             std::span<const Rank> sharers, Rank self, std::size_t needed);
/// Before step 5: enough survivors have signed the same list.
Result<void> check_confirmations(const UnmaskRequest& request, const AdvertList& adverts,
                                 std::span<const Rank> survivors, std::size_t needed,
                                 std::span<const std::byte> statement, const Authenticator& authenticator);

}  // namespace consilium::secagg
