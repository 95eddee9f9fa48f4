#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/crypto/x25519.h"
#include "common/error/error.h"

/// The messages that sites and coordinator exchange in one attempt at a masked sum (mode `masked-threshold`). They are
/// plain values here; docs/formats/masking.md defines their bytes. Sites are numbered by rank: their position among the
/// adverts, in order of name, from 0.
namespace consilium::secagg {

using Rank = std::uint8_t;
inline constexpr std::size_t kMaxSites = 255;  ///< x = rank + 1 is a non-zero element of GF(2^8)
inline constexpr std::size_t kSecretBytes = 32;
inline constexpr std::size_t kMaxCertificateBytes = 4096;
inline constexpr std::size_t kMaxSignatureBytes = 80;  ///< ECDSA P-256 in DER takes at most 72
/// The largest encoded message that is accepted: 255 adverts with the longest certificates.
inline constexpr std::size_t kMaxMessageBytes = kMaxSites * (kMaxCertificateBytes + 512);

using Signature = std::vector<std::byte>;

// Step 1.

/// A site's fresh public keys for this attempt, signed with the key of its certificate over the context of the attempt.
struct Advert {
  std::string site;
  std::string certificate;  ///< PEM
  crypto::X25519PublicKey channel_key{};
  crypto::X25519PublicKey mask_key{};
  Signature signature;
  bool operator==(const Advert&) const = default;
};
/// The adverts of all sites, in order of name.
struct AdvertList {
  std::vector<Advert> adverts;
  bool operator==(const AdvertList&) const = default;
};

// Step 2.

/// Two shares, sealed for one site: one of the sender's self-mask seed, and one of its mask key.
using SealedShares = std::array<std::uint8_t, 2 * kSecretBytes + 16>;
struct ShareCommitments {
  crypto::Digest seed_share{};
  crypto::Digest key_share{};
  bool operator==(const ShareCommitments&) const = default;
};
struct Shares {
  crypto::Digest seed{};                      ///< commitment to the self-mask seed
  std::vector<ShareCommitments> commitments;  ///< by the holder's rank, including the sender's own share
  std::vector<SealedShares> boxes;            ///< by the holder's rank, leaving out the sender
  bool operator==(const Shares&) const = default;
};
/// The shares that other sites sealed for this site. Their senders and this site are U2.
struct Box {
  Rank from = 0;
  SealedShares sealed{};
  bool operator==(const Box&) const = default;
};
struct Boxes {
  std::vector<Box> boxes;  ///< ascending by rank
  bool operator==(const Boxes&) const = default;
};

// Step 4.

/// U3: the sites whose vectors are in the sum.
struct Survivors {
  std::vector<Rank> ranks;  ///< ascending
  bool operator==(const Survivors&) const = default;
};
struct Confirmation {
  Signature signature;  ///< over (ctx2, U2, U3)
  bool operator==(const Confirmation&) const = default;
};

// Step 5.

struct Signed {
  Rank site = 0;
  Signature signature;
  bool operator==(const Signed&) const = default;
};
struct UnmaskRequest {
  std::vector<Signed> confirmations;  ///< ascending by rank
  bool operator==(const UnmaskRequest&) const = default;
};
/// One share of a secret of each member of U2, in order of rank: of its seed if it is in U3, otherwise of its mask key.
using RevealedShare = std::array<std::uint8_t, kSecretBytes>;
struct Reveal {
  std::vector<RevealedShare> shares;
  bool operator==(const Reveal&) const = default;
};

using SiteMessage = std::variant<Advert, Shares, Confirmation, Reveal>;
using CoordinatorMessage = std::variant<AdvertList, Boxes, Survivors, UnmaskRequest>;

/// Encodes canonically: equal messages give equal bytes.
[[nodiscard]] std::vector<std::byte> encode(const SiteMessage& message);
[[nodiscard]] std::vector<std::byte> encode(const CoordinatorMessage& message);

/// Decode hostile bytes and accept only what encode() could have written. Sizes are bounded before anything is
/// allocated. Fail with kInvalidArgument; the message says what was expected.
Result<SiteMessage> decode_site_message(std::span<const std::byte> bytes);
Result<CoordinatorMessage> decode_coordinator_message(std::span<const std::byte> bytes);

/// Returns a public key in the form in which keys are compared: without the top bit, which key agreement ignores (RFC
/// 7748, section 5).
[[nodiscard]] crypto::X25519PublicKey canonical(crypto::X25519PublicKey key);

/// Returns the message's name for logs and errors: "advert", "shares", ...
[[nodiscard]] std::string_view name_of(const SiteMessage& message);
[[nodiscard]] std::string_view name_of(const CoordinatorMessage& message);

}  // namespace consilium::secagg
