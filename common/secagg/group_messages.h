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

/// The messages that the members of a group and the coordinator exchange in one attempt at a masked sum over the whole
/// group (mode `masked`). They are plain values here; docs/formats/masking.md defines their bytes.
namespace consilium::secagg {

/// The largest group. The list of adverts grows with the square of the group's size, and one absent site stops its
/// whole group.
inline constexpr std::size_t kMaxGroupMembers = job::kMaxGroupSites;
/// The largest encoded message that is accepted: the adverts of the largest group with the longest certificates.
inline constexpr std::size_t kMaxGroupMessageBytes =
    kMaxGroupMembers * (kMaxCertificateBytes + 256 + kMaxGroupMembers * 40);

/// The latest advert of another member that was in a list under which this site has uploaded.
struct Seen {
  std::uint64_t number = 0;  ///< 0 if this site has not uploaded under any yet; the digest is then zero
  crypto::Digest advert{};   ///< advert_digest()
  bool operator==(const Seen&) const = default;
};

/// A site's fresh public key for one attempt, signed with the key of its certificate over the context of the attempt.
struct GroupAdvert {
  std::string site;
  std::string certificate;  ///< PEM
  crypto::X25519PublicKey mask_key{};
  std::uint64_t number = 0;  ///< counts this site's adverts in this group: from 1, strictly increasing
  std::vector<Seen> seen;    ///< one entry for each other member, in order of name
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

/// Decode hostile bytes and accept only what encode() could have written. Sizes are bounded before anything is
/// allocated. Fail with kInvalidArgument; the message says what was expected.
Result<GroupAdvert> decode_group_advert(std::span<const std::byte> bytes);
Result<GroupAdvertList> decode_group_advert_list(std::span<const std::byte> bytes);

/// Returns true if the bytes begin like a message of mode `masked`. Messages of mode `masked-threshold` (messages.h)
/// never do.
[[nodiscard]] bool is_group_message(std::span<const std::byte> bytes);

/// Returns the message's name for logs and errors: "group advert", "group advert list".
[[nodiscard]] std::string_view name_of(const GroupAdvert& advert);
[[nodiscard]] std::string_view name_of(const GroupAdvertList& list);

}  // namespace consilium::secagg
