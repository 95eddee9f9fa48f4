#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/crypto/x25519.h"
#include "common/error/error.h"
#include "common/secagg/messages.h"

/// The messages that the sites of a job and the coordinator exchange while the sites agree on a key that the
/// coordinator doesn't know. They are plain values here; docs/formats/masking.md defines their bytes. Sites are
/// numbered by rank: their position among the adverts, in order of name, from 0.
namespace consilium::secagg {

inline constexpr std::size_t kNumberBytes = 32;
/// A site's secret number, sealed for one other site.
using SealedNumber = std::array<std::uint8_t, kNumberBytes + 16>;
/// A number in the clear, which its site has published.
using PublishedNumber = std::array<std::uint8_t, kNumberBytes>;

// Step 1.

/// A site's fresh public key for boxes, signed with the key of its certificate over the context of the try.
struct AgreementAdvert {
  std::string site;
  std::string certificate;  ///< PEM
  crypto::X25519PublicKey box_key{};
  Signature signature;
  bool operator==(const AgreementAdvert&) const = default;
};
/// The adverts of all sites that take part, in order of name.
struct AgreementAdvertList {
  std::vector<AgreementAdvert> adverts;
  bool operator==(const AgreementAdvertList&) const = default;
};

// Step 2.

/// A sealed number. The signature covers the box, its sender and receiver, and the commitment to the number.
struct NumberBox {
  SealedNumber sealed{};
  Signature signature;
  bool operator==(const NumberBox&) const = default;
};
/// A site's number, sealed for every other site.
struct NumberBoxes {
  crypto::Digest commitment{};   ///< number_commitment(), one for all receivers
  std::vector<NumberBox> boxes;  ///< by the receiver's rank, leaving out the sender
  bool operator==(const NumberBoxes&) const = default;
};
struct DeliveredBox {
  crypto::Digest commitment{};
  NumberBox box;
  bool operator==(const DeliveredBox&) const = default;
};
/// The numbers of all other sites, sealed for one site.
struct DeliveredBoxes {
  std::vector<DeliveredBox> boxes;  ///< by the sender's rank, leaving out the receiver
  bool operator==(const DeliveredBoxes&) const = default;
};

// Step 3, only if a box doesn't fit its commitment.

/// Lists the senders whose boxes don't fit their commitments. Each signature covers complaint_statement().
struct Complaints {
  std::vector<Signed> about;  ///< ascending by rank
  bool operator==(const Complaints&) const = default;
};
/// Tells a site that another site complains about its box.
struct Accusation {
  Rank from = 0;  ///< the complainant
  Signature signature;
  bool operator==(const Accusation&) const = default;
};
/// A site's own number, published because another site complained.
struct Opening {
  PublishedNumber number{};
  bool operator==(const Opening&) const = default;
};
struct Opened {
  Rank from = 0;  ///< the owner of the number
  PublishedNumber number{};
  bool operator==(const Opened&) const = default;
};
/// All the numbers that a site complained about.
struct Openings {
  std::vector<Opened> numbers;  ///< ascending by rank
  bool operator==(const Openings&) const = default;
};

// Step 4.

/// Says that a site has the key, and identifies the key by its confirmation, which is derived from the key and reveals
/// nothing about it.
struct Agreed {
  crypto::Digest confirmation{};  ///< agreement_confirmation()
  Signature signature;            ///< over agreed_statement()
  bool operator==(const Agreed&) const = default;
};

using AgreementSiteMessage = std::variant<AgreementAdvert, NumberBoxes, Complaints, Opening, Agreed>;
using AgreementCoordinatorMessage = std::variant<AgreementAdvertList, DeliveredBoxes, Accusation, Openings>;

/// Encodes canonically: equal messages give equal bytes.
[[nodiscard]] std::vector<std::byte> encode(const AgreementSiteMessage& message);
[[nodiscard]] std::vector<std::byte> encode(const AgreementCoordinatorMessage& message);

/// Decode hostile bytes and accept only what encode() could have written. Sizes are bounded before anything is
/// allocated. Fail with kInvalidArgument; the message says what was expected.
Result<AgreementSiteMessage> decode_agreement_site_message(std::span<const std::byte> bytes);
Result<AgreementCoordinatorMessage> decode_agreement_coordinator_message(std::span<const std::byte> bytes);

/// Returns true if the bytes begin like a message of the agreement. Messages of sums never do.
[[nodiscard]] bool is_agreement_message(std::span<const std::byte> bytes);

/// Returns the message's name for logs and errors: "agreement advert", "number boxes", ...
[[nodiscard]] std::string_view name_of(const AgreementSiteMessage& message);
[[nodiscard]] std::string_view name_of(const AgreementCoordinatorMessage& message);

}  // namespace consilium::secagg
