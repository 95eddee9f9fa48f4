#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/crypto/random_source.h"
#include "common/error/error.h"
#include "common/pki/signer.h"
#include "common/secagg/authenticator.h"
#include "common/secagg/mask.h"
#include "common/secagg/messages.h"

namespace consilium::secagg {

/// What a site holds itself to, whatever the coordinator says.
struct SiteSetup {
  crypto::Digest context{};             ///< attempt_context() of the order that this site checked
  std::string site;                     ///< its own name
  std::string certificate;              ///< its own, PEM
  std::vector<std::string> eligible;    ///< sites that the job lets take part in this sum
  std::uint32_t colluding = 1;          ///< c, from the job
  std::uint32_t minimum_survivors = 0;  ///< of the site's own policy; 0: the threshold alone
  /// Counts are summed over these and nobody else: two sums that differ by one site would give that site away.
  std::optional<std::vector<std::string>> exactly;
};

/// A site's side of one attempt at a masked sum (Bonawitz et al. 2017, figure 4; docs/secure-aggregation.md): the
/// coordinator's messages go in, the site's answers come out. No socket, file, clock or thread. A message that is out
/// of order, repeated or untrue is refused; the site has then left the attempt, its keys are wiped, and it answers
/// nothing more. Move-only; not thread-safe.
class SiteProtocol {
 public:
  /// Step 1: draws both key pairs and signs them. `authenticator`, `signer` and `random` outlive the object.
  static Result<SiteProtocol> start(SiteSetup setup, const Authenticator& authenticator, const pki::Signer& signer,
                                    crypto::RandomSource& random);
  SiteProtocol(SiteProtocol&&) noexcept;
  SiteProtocol& operator=(SiteProtocol&&) noexcept;
  ~SiteProtocol();

  [[nodiscard]] const Advert& advert() const;

  /// Takes the coordinator's next message and returns the site's answer; boxes have none.
  Result<std::optional<SiteMessage>> receive(const CoordinatorMessage& message);

  /// Are the keys of the masks agreed on, and not taken yet?
  [[nodiscard]] bool keyed() const;
  /// Step 3: hands out the masks for the one vector that they may hide; the keys they follow from are gone already.
  Result<std::vector<MaskTerm>> take_masks();

  /// U3 by name, once confirmed; for the site's own record, before the confirmation leaves.
  [[nodiscard]] std::vector<std::string> names_of(const Survivors& survivors) const;

 private:
  struct Impl;
  explicit SiteProtocol(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::secagg
