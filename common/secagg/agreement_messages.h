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

/// What the sites of a job and the coordinator say to each other while the sites agree on a key that the coordinator
/// doesn't know, as plain values; their bytes are in docs/formats/masking.md. Sites are numbered by rank: their place
/// among the adverts, in order of name, from 0.
namespace consilium::secagg {

inline constexpr std::size_t kNumberBytes = 32;
/// A site's number, sealed for one other site.
using SealedNumber = std::array<std::uint8_t, kNumberBytes + 16>;
/// A number in the clear: one that its site has published.
using PublishedNumber = std::array<std::uint8_t, kNumberBytes>;

// Step 1.

/// A site's fresh key for boxes, signed by its certificate's key over the try's context.
struct AgreementAdvert {
  std::string site;
  std::string certificate;  ///< PEM
  crypto::X25519PublicKey box_key{};
  Signature signature;
  bool operator==(const AgreementAdvert&) const = default;
};
/// Those of every site that takes part, in order of name.
struct AgreementAdvertList {
  std::vector<AgreementAdvert> adverts;
  bool operator==(const AgreementAdvertList&) const = default;
};

// Step 2.

/// A sealed number; the signature is over the box, whom it is from and for, and the commitment to the number.
struct NumberBox {
  SealedNumber sealed{};
  Signature signature;
  bool operator==(const NumberBox&) const = default;
};
/// A site's number for everybody else.
struct NumberBoxes {
  crypto::Digest commitment{};   ///< number_commitment(), one for all receivers
  std::vector<NumberBox> boxes;  ///< by the receiver's rank, without the sender
  bool operator==(const NumberBoxes&) const = default;
};
struct DeliveredBox {
  crypto::Digest commitment{};
  NumberBox box;
  bool operator==(const DeliveredBox&) const = default;
};
/// Everybody else's number for one site.
struct DeliveredBoxes {
  std::vector<DeliveredBox> boxes;  ///< by the sender's rank, without the receiver
  bool operator==(const DeliveredBoxes&) const = default;
};

// Step 3, where a box doesn't fit its commitment.

/// Whose boxes don't fit their commitments; each signature is over complaint_statement().
struct Complaints {
  std::vector<Signed> about;  ///< ascending by rank
  bool operator==(const Complaints&) const = default;
};
/// Tells a site that another one complains of its box.
struct Accusation {
  Rank from = 0;  ///< who complains
  Signature signature;
  bool operator==(const Accusation&) const = default;
};
/// A site's own number, published because somebody complained.
struct Opening {
  PublishedNumber number{};
  bool operator==(const Opening&) const = default;
};
struct Opened {
  Rank from = 0;  ///< whose number it is
  PublishedNumber number{};
  bool operator==(const Opened&) const = default;
};
/// The numbers that a site complained of, all of them.
struct Openings {
  std::vector<Opened> numbers;  ///< ascending by rank
  bool operator==(const Openings&) const = default;
};

// Step 4.

/// Says that a site has the key, and which: the confirmation follows from it and tells nothing of it.
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

/// Decode hostile bytes; accept only what encode() could have written. Sizes are bounded before anything is allocated;
/// kInvalidArgument says what was expected.
Result<AgreementSiteMessage> decode_agreement_site_message(std::span<const std::byte> bytes);
Result<AgreementCoordinatorMessage> decode_agreement_coordinator_message(std::span<const std::byte> bytes);

/// Says whether bytes begin as a message of the agreement; messages of sums never do.
[[nodiscard]] bool is_agreement_message(std::span<const std::byte> bytes);

/// What a message is called in logs and errors: "agreement advert", "number boxes", ...
[[nodiscard]] std::string_view name_of(const AgreementSiteMessage& message);
[[nodiscard]] std::string_view name_of(const AgreementCoordinatorMessage& message);

}  // namespace consilium::secagg
