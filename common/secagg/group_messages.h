#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/crypto/x25519.h"
#include "common/error/error.h"
#include "common/job/job_limits.h"
#include "common/secagg/messages.h"

/// What the members of a group and the coordinator say to each other in one attempt at a masked sum over the whole
/// group (mode `masked`), as plain values; their bytes are in docs/formats/masking.md.
namespace consilium::secagg {

/// Largest group. A list of adverts grows with the square of it, and one absent site stops its whole group.
inline constexpr std::size_t kMaxGroupMembers = job::kMaxGroupSites;
/// Largest encoded message accepted: the adverts of the largest group with the longest certificates.
inline constexpr std::size_t kMaxGroupMessageBytes =
    kMaxGroupMembers * (kMaxCertificateBytes + 256 + kMaxGroupMembers * 40);

/// What a site has seen of another member: the latest of its adverts in a list under which this site has uploaded.
struct Seen {
  std::uint64_t number = 0;  ///< 0: this site has uploaded under none yet; the digest is zero then
  crypto::Digest advert{};   ///< advert_digest()
  bool operator==(const Seen&) const = default;
};

/// A site's fresh key for one attempt, signed by its certificate's key over the attempt's context.
struct GroupAdvert {
  std::string site;
  std::string certificate;  ///< PEM
  crypto::X25519PublicKey mask_key{};
  std::uint64_t number = 0;  ///< of this site's adverts in this group: from 1, strictly rising
  std::vector<Seen> seen;    ///< of each other member, in order of name
  Signature signature;
  bool operator==(const GroupAdvert&) const = default;
};

/// The adverts of exactly the group's members, in order of name.
struct GroupAdvertList {
  std::vector<GroupAdvert> adverts;
  bool operator==(const GroupAdvertList&) const = default;
};

/// Encodes canonically: equal messages give equal bytes.
[[nodiscard]] std::vector<std::byte> encode(const GroupAdvert& advert);
[[nodiscard]] std::vector<std::byte> encode(const GroupAdvertList& list);

/// Decode hostile bytes; accept only what encode() could have written. Sizes are bounded before anything is allocated;
/// kInvalidArgument says what was expected.
Result<GroupAdvert> decode_group_advert(std::span<const std::byte> bytes);
Result<GroupAdvertList> decode_group_advert_list(std::span<const std::byte> bytes);

/// Says whether bytes begin as a message of mode `masked`; those of mode `masked-threshold` (messages.h) never do.
[[nodiscard]] bool is_group_message(std::span<const std::byte> bytes);

/// What a message is called in logs and errors: "group advert", "group advert list".
[[nodiscard]] std::string_view name_of(const GroupAdvert& advert);
[[nodiscard]] std::string_view name_of(const GroupAdvertList& list);

}  // namespace consilium::secagg
