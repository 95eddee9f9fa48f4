#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/crypto/random_source.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/pki/signer.h"
#include "common/secagg/authenticator.h"
#include "common/secagg/group_messages.h"
#include "common/secagg/mask.h"

namespace consilium::secagg {

/// Holds what a site insists on in one attempt, whatever the coordinator says.
struct GroupSiteSetup {
  crypto::Digest context{};  ///< attempt_context() of the order that this site checked, and the key's confirmation
  std::string site;          ///< its own name
  std::string certificate;   ///< its own certificate, PEM
  std::vector<std::string> members;  ///< the whole group, including this site, in order of name
  std::uint32_t colluding = 1;       ///< c, from the job
  std::uint64_t number = 1;          ///< number of its advert in this group, already recorded in the ledger
  std::vector<Seen> seen;            ///< for each other member in order of name, from the ledger
};

/// Implements a site's side of one attempt at a masked sum over a whole group. It uses the pairwise masks of Bonawitz
/// et al. 2017 without self-masks and shares, so nothing exists that could open a mask. It uses no socket, file, clock
/// or thread. It refuses an invalid list and a second list. The site then leaves the attempt, and its keys are wiped.
/// Move-only; not thread-safe.
class GroupSite {
 public:
  /// Draws the mask key and signs the advert. `authenticator` must outlive the object. Fails with kInvalidArgument if
  /// the setup isn't one with which this site may take part.
  static Result<GroupSite> start(GroupSiteSetup setup, const Authenticator& authenticator, const pki::Signer& signer,
                                 crypto::RandomSource& random);
  GroupSite(GroupSite&&) noexcept;
  GroupSite& operator=(GroupSite&&) noexcept;
  ~GroupSite();

  [[nodiscard]] const GroupAdvert& advert() const;
  /// Returns advert_digest() of advert(). The ledger keeps it, and later claims() are compared with it.
  [[nodiscard]] const crypto::Digest& advert_digest() const;

  /// Checks the adverts of all members and derives the keys of the masks; then the private mask key is wiped. Fails
  /// with kPermissionDenied, kUnauthenticated (a certificate or a signature) or kInvalidArgument (a key of small order)
  /// if the list breaks a rule, which the message names. Fails with kFailedPrecondition if no list was expected.
  Result<void> receive(const GroupAdvertList& list);

  /// Returns true if the keys of the masks have been agreed on and not taken yet.
  [[nodiscard]] bool keyed() const;
  /// Returns ctx2 once receive() has accepted a list; zeros before that.
  [[nodiscard]] const crypto::Digest& cohort() const;
  /// Returns, for each other member in order of name, what that member says it has seen of this site. The caller must
  /// compare these claims with its ledger before it takes the masks. Empty until receive() has accepted a list.
  [[nodiscard]] std::vector<Seen> claims() const;
  /// Returns the number and digest of each other member's advert in the accepted list, in order of name. The ledger
  /// records them when this site uploads. Empty until receive() has accepted a list.
  [[nodiscard]] std::vector<Seen> others() const;
  /// Hands out the masks. They may hide only one vector, so they can be taken only once. Fails with kFailedPrecondition
  /// if there are no masks, or none any more.
  Result<std::vector<MaskTerm>> take_masks();

 private:
  struct Impl;
  explicit GroupSite(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::secagg
