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

/// Holds what a site insists on, whatever the coordinator says.
struct SiteSetup {
  crypto::Digest context{};             ///< attempt_context() of the order that this site checked
  std::string site;                     ///< its own name
  std::string certificate;              ///< its own certificate, PEM
  std::vector<std::string> eligible;    ///< sites that may take part in this sum, according to the job
  std::uint32_t colluding = 1;          ///< c, from the job
  std::uint32_t minimum_survivors = 0;  ///< from the site's own policy; 0: only the threshold counts
  /// If set, counts are summed over exactly these sites: two sums that differ by one site would reveal that site's
  /// counts.
  std::optional<std::vector<std::string>> exactly;
};

/// Implements a site's side of one attempt at a masked sum (Bonawitz et al. 2017, figure 4;
/// docs/secure-aggregation.md). The coordinator's messages go in and the site's answers come out. It uses no socket,
/// file, clock or thread. It refuses a message that is out of order, repeated or invalid. The site then leaves the
/// attempt: its keys are wiped, and it gives no further answers. Move-only; not thread-safe.
class SiteProtocol {
 public:
  /// Starts step 1: draws both key pairs and signs the public keys. `authenticator`, `signer` and `random` must outlive
  /// the object.
  static Result<SiteProtocol> start(SiteSetup setup, const Authenticator& authenticator, const pki::Signer& signer,
                                    crypto::RandomSource& random);
  SiteProtocol(SiteProtocol&&) noexcept;
  SiteProtocol& operator=(SiteProtocol&&) noexcept;
  ~SiteProtocol();

  [[nodiscard]] const Advert& advert() const;

  /// Handles the coordinator's next message and returns the site's answer. Boxes have no answer: the upload follows
  /// instead.
  Result<std::optional<SiteMessage>> receive(const CoordinatorMessage& message);

  /// Returns true if the keys of the masks have been agreed on and not taken yet.
  [[nodiscard]] bool keyed() const;
  /// Hands out the masks for step 3. They may hide only one vector, so they can be taken only once. The secrets from
  /// which their keys were derived have already been wiped.
  Result<std::vector<MaskTerm>> take_masks();

  /// Returns the names of U3, so that the site can record them before its confirmation leaves.
  [[nodiscard]] std::vector<std::string> names_of(const Survivors& survivors) const;

 private:
  struct Impl;
  explicit SiteProtocol(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::secagg
