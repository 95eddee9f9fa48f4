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

/// What a site holds itself to in one attempt, whatever the coordinator says.
struct GroupSiteSetup {
  crypto::Digest context{};          ///< attempt_context() of the order that this site checked, and of the job's key
  std::string site;                  ///< its own name
  std::string certificate;           ///< its own, PEM
  std::vector<std::string> members;  ///< the whole group, this site among them, in order of name
  std::uint32_t colluding = 1;       ///< c, from the job
  std::uint64_t number = 1;          ///< of its adverts in this group, already in the ledger
  std::vector<Seen> seen;            ///< of each other member in order of name, from the ledger
};

/// A site's side of one attempt at a masked sum over a whole group (the pairwise masks of Bonawitz et al. 2017, without
/// self masks and shares: nothing that opens a mask exists). No socket, file, clock or thread. A list that is untrue,
/// or a second list, is refused; the site has then left the attempt, and its keys are wiped. Move-only; not
/// thread-safe.
class GroupSite {
 public:
  /// Draws the mask key and signs the advert. `authenticator` outlives the object. kInvalidArgument where the setup
  /// isn't one that this site may take part with.
  static Result<GroupSite> start(GroupSiteSetup setup, const Authenticator& authenticator, const pki::Signer& signer,
                                 crypto::RandomSource& random);
  GroupSite(GroupSite&&) noexcept;
  GroupSite& operator=(GroupSite&&) noexcept;
  ~GroupSite();

  [[nodiscard]] const GroupAdvert& advert() const;
  /// advert_digest() of advert(): what the ledger keeps of it, to hold later claims() against.
  [[nodiscard]] const crypto::Digest& advert_digest() const;

  /// Checks everybody's adverts and agrees on the keys of the masks; the private mask key is wiped. kPermissionDenied,
  /// kUnauthenticated (a certificate, a signature) or kInvalidArgument (a key of small order) says what the list broke,
  /// kFailedPrecondition that none was expected.
  Result<void> receive(const GroupAdvertList& list);

  /// Says whether the keys of the masks are agreed on, and not taken yet.
  [[nodiscard]] bool keyed() const;
  /// ctx2, once receive() has accepted a list; zeros before.
  [[nodiscard]] const crypto::Digest& cohort() const;
  /// What each other member, in order of name, says that it has seen of this site. The caller holds it against its
  /// ledger before it takes the masks. Empty until receive() has accepted a list.
  [[nodiscard]] std::vector<Seen> claims() const;
  /// Number and digest of each other member's advert in the accepted list, in order of name: for the ledger, when this
  /// site uploads. Empty until then.
  [[nodiscard]] std::vector<Seen> others() const;
  /// Hands out the masks for the one vector that they may hide. kFailedPrecondition where there are none (any more).
  Result<std::vector<MaskTerm>> take_masks();

 private:
  struct Impl;
  explicit GroupSite(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::secagg
