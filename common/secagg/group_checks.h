#pragma once

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/secagg/authenticator.h"
#include "common/secagg/group_messages.h"
#include "common/secagg/group_site.h"

/// What a member of a group checks before it agrees on masks. Each check carries its name, so that
/// scripts/remove_checks can take it away and see which test notices.
namespace consilium::secagg {

/// Checks what a site is asked to take part in, before it advertises.
Result<void> check_group_setup(const GroupSiteSetup& setup);

/// Checks who takes part, and with which keys, before the masks are agreed on.
/// @param own  this site's advert, as it sent it
Result<void> check_group_adverts(const GroupSiteSetup& setup, const GroupAdvert& own, const GroupAdvertList& list,
                                 const Authenticator& authenticator);

/// Refuses a mask key of small order: it agrees on zero with every other, so its masks would hide nothing.
Result<void> check_mask_key(const crypto::X25519PublicKey& key);

}  // namespace consilium::secagg
