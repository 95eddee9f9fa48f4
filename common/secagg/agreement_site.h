#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/crypto/random_source.h"
#include "common/crypto/secret_bytes.h"
#include "common/error/error.h"
#include "common/pki/signer.h"
#include "common/secagg/agreement_checks.h"
#include "common/secagg/agreement_messages.h"
#include "common/secagg/authenticator.h"

namespace consilium::secagg {

/// Holds what a site insists on, whatever the coordinator says.
struct AgreementSiteSetup {
  AgreementSetup agreement;  ///< from the job that this site checked
  std::string site;          ///< its own name, a member of one of the groups
  std::string certificate;   ///< its own certificate, PEM
};

/// Implements a site's side of one try at agreeing on a key K that the coordinator doesn't know. The coordinator's
/// messages go in and the site's answers come out. It uses no socket, file, clock or thread. It refuses a message that
/// is out of order or invalid, and the site then leaves the try: its secrets are wiped, and it gives no further
/// answers. If the last answered message is repeated, so is the answer, word for word.
///
/// Each site seals a fresh number for every other site, and K is derived from all numbers. A coordinator that colludes
/// with a site learns K, because that site knows it. Without a colluding site it learns only the numbers that are
/// published after complaints. K stays hidden as long as the number of one honest site isn't among them, because that
/// number is a 256-bit input of the hash. A site publishes its number only in response to a complaint that a listed
/// site has signed. An honest site signs a complaint only if the sender itself signed a bad box. Honest sites therefore
/// never make each other publish a number.
///
/// An agreement may take days. sealed() returns the state as bytes that only `sealing_key` can open. Save them before
/// you send the answer that led to that state. Move-only; not thread-safe.
class AgreementSite {
 public:
  /// Starts step 1: draws the box key and the seed of the number, and signs the advert. `authenticator`, `signer` and
  /// `random` must outlive the object. Fails with kInvalidArgument if the setup is unsafe (check_setup()) or doesn't
  /// list the site.
  static Result<AgreementSite> start(AgreementSiteSetup setup, const Authenticator& authenticator,
                                     const pki::Signer& signer, crypto::RandomSource& random);
  /// Resumes from a saved state. The setup must be the one that the state was saved under, except that the certificate
  /// may have been renewed. Fails with kUnauthenticated if the key or the setup differs or the bytes were changed, and
  /// with kInvalidArgument if the bytes aren't a saved state.
  static Result<AgreementSite> restore(std::span<const std::byte> saved, const crypto::SecretBytes& sealing_key,
                                       AgreementSiteSetup setup, const Authenticator& authenticator,
                                       const pki::Signer& signer, crypto::RandomSource& random);
  AgreementSite(AgreementSite&&) noexcept;
  AgreementSite& operator=(AgreementSite&&) noexcept;
  ~AgreementSite();

  /// Returns the state, sealed by AES-256-GCM under a key that is derived from `sealing_key` (32 bytes) for this one
  /// file. Fails with kFailedPrecondition once the site has left the try.
  Result<std::vector<std::byte>> sealed(const crypto::SecretBytes& sealing_key) const;

  [[nodiscard]] const AgreementAdvert& advert() const;

  /// Handles the coordinator's next message and returns the site's answer. If the answer is Agreed, the site has K. An
  /// accusation changes no state and may arrive at any time after this site has sent its boxes.
  Result<AgreementSiteMessage> receive(const AgreementCoordinatorMessage& message);

  /// Returns K (32 bytes) once it is known, or nullptr before that. The pointer is valid until the object is destroyed
  /// or moved.
  [[nodiscard]] const crypto::SecretBytes* key() const;
  /// Returns agreement_confirmation() of K, once K is known.
  [[nodiscard]] std::optional<crypto::Digest> confirmation() const;
  /// Returns the indices of the job's groups that take part, in order. Empty until this site has accepted the list of
  /// adverts.
  [[nodiscard]] const std::vector<std::uint32_t>& groups() const;

 private:
  struct Impl;
  explicit AgreementSite(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::secagg
