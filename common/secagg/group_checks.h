#pragma once

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/secagg/authenticator.h"
#include "common/secagg/group_messages.h"
#include "common/secagg/group_site.h"

/// The checks that a member of a group makes before it agrees on masks. Each check carries its name, so that
/// scripts/remove_checks can remove it and report which test fails.
namespace consilium::secagg {

/// Checks the setup that a site is asked to take part in, before it advertises.
Result<void> check_group_setup(const GroupSiteSetup& setup);

/// Checks the participants and their keys before the masks are agreed on.
/// @param own  this site's advert, as it was sent
Result<void> check_group_adverts(const GroupSiteSetup& setup, const GroupAdvert& own, const GroupAdvertList& list,
                                 const Authenticator& authenticator);

/// Refuses a mask key of small order. Its shared secret with every other key is zero, so its masks would hide nothing.
Result<void> check_mask_key(const crypto::X25519PublicKey& key);

}  // namespace consilium::secagg
