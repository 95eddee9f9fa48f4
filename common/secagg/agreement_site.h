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

/// What a site holds itself to, whatever the coordinator says.
struct AgreementSiteSetup {
  AgreementSetup agreement;  ///< from the job that this site checked
  std::string site;          ///< its own name, a member of one of the groups
  std::string certificate;   ///< its own, PEM
};

/// A site's side of one try at agreeing on a key K that the coordinator doesn't know: the coordinator's messages go in,
/// the site's answers come out. No socket, file, clock or thread. A message that is out of order or untrue is refused;
/// the site has then left the try, its secrets are wiped, and it answers nothing more. A message that was just answered
/// is answered again word for word.
///
/// Each site seals a fresh number for each other site; K is derived from all of them. A coordinator that has one site's
/// help learns K, because that site knows it. Without such help it learns only the numbers that are published after
/// complaints, and K stays hidden as long as one honest site's number isn't among them: it is a 256-bit input of the
/// hash. A site publishes its number only to a complaint that a listed site signed, and an honest site signs one only
/// where the sender itself signed a wrong box, so between honest sites no number is ever published.
///
/// An agreement may take days. sealed() gives the state as bytes that only `sealing_key` opens; save them before the
/// answer that led to them is sent. Move-only; not thread-safe.
class AgreementSite {
 public:
  /// Step 1: draws the box key and the number's seed, and signs the advert. `authenticator`, `signer` and `random`
  /// outlive the object. kInvalidArgument where the setup is unsafe (check_setup()) or doesn't list the site.
  static Result<AgreementSite> start(AgreementSiteSetup setup, const Authenticator& authenticator,
                                     const pki::Signer& signer, crypto::RandomSource& random);
  /// Takes up a saved state. The setup must be the one it was saved under, except for a renewed certificate.
  /// kUnauthenticated where the key or the setup is another or the bytes were changed; kInvalidArgument where they are
  /// no saved state.
  static Result<AgreementSite> restore(std::span<const std::byte> saved, const crypto::SecretBytes& sealing_key,
                                       AgreementSiteSetup setup, const Authenticator& authenticator,
                                       const pki::Signer& signer, crypto::RandomSource& random);
  AgreementSite(AgreementSite&&) noexcept;
  AgreementSite& operator=(AgreementSite&&) noexcept;
  ~AgreementSite();

  /// Saves the state, sealed by AES-256-GCM with a key derived for this one file from `sealing_key` (32 bytes).
  /// kFailedPrecondition once the try is left.
  Result<std::vector<std::byte>> sealed(const crypto::SecretBytes& sealing_key) const;

  [[nodiscard]] const AgreementAdvert& advert() const;

  /// Takes the coordinator's next message and returns the site's answer. Where the answer is Agreed, the key stands. An
  /// accusation changes no state and may come at any time after the boxes.
  Result<AgreementSiteMessage> receive(const AgreementCoordinatorMessage& message);

  /// K, 32 bytes, once it is known; nullptr before. Valid until the object goes or moves.
  [[nodiscard]] const crypto::SecretBytes* key() const;
  /// agreement_confirmation() of K, once it is known.
  [[nodiscard]] std::optional<crypto::Digest> confirmation() const;
  /// Indices of the job's groups that take part, in order; empty before the adverts of all are known.
  [[nodiscard]] const std::vector<std::uint32_t>& groups() const;

 private:
  struct Impl;
  explicit AgreementSite(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::secagg
