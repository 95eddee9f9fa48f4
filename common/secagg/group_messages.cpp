#include "common/secagg/group_messages.h"

#include <algorithm>

#include "common/encoding/byte_reader.h"
#include "common/encoding/byte_writer.h"
#include "common/pki/identity.h"

namespace consilium::secagg {
namespace {

using encoding::ByteReader;
using encoding::ByteWriter;

constexpr std::string_view kMagic = "GSA1";
constexpr std::size_t kMaxName = 63;

enum class Kind : std::uint8_t { kAdvert = 1, kAdvertList };

void write(ByteWriter& out, const GroupAdvert& advert) {
  out.prefixed<std::uint8_t>(std::string_view(advert.site));
  out.prefixed<std::uint16_t>(std::string_view(advert.certificate));
  out.bytes(std::span<const std::uint8_t>(advert.mask_key));
  out.integer(advert.number);
  out.integer(static_cast<std::uint8_t>(advert.seen.size()));
  for (const Seen& seen : advert.seen) {
    out.integer(seen.number);
    out.bytes(std::span<const std::uint8_t>(seen.advert));
  }
  out.prefixed<std::uint8_t>(std::span(advert.signature));
}

Seen read_seen(ByteReader& in) {
  Seen seen;
  seen.number = in.integer<std::uint64_t>("number of a seen advert", 0, UINT64_MAX);
  seen.advert = in.digest();
  if (in.ok() && seen.number == 0 && seen.advert != crypto::Digest{})
    in.refuse("seen advert: expected a digest of zeros, because none was seen");
  return seen;
}

GroupAdvert read_advert(ByteReader& in) {
  GroupAdvert advert;
  advert.site = in.text<std::uint8_t>("length of a site's name", 1, kMaxName);
  if (const auto named = pki::check_name(advert.site); in.ok() && !named) in.refuse("site: " + named.error().message);
  advert.certificate = in.text<std::uint16_t>("length of a certificate", 1, kMaxCertificateBytes);
  in.fill(advert.mask_key);
  advert.number = in.integer<std::uint64_t>("number of an advert", 1, UINT64_MAX);
  const std::size_t others = in.integer<std::uint8_t>("number of seen adverts", 0, kMaxGroupMembers - 1);
  for (std::size_t i = 0; i < others && in.ok(); ++i) advert.seen.push_back(read_seen(in));
  const auto signature = in.prefixed<std::uint8_t>("length of a signature", 1, kMaxSignatureBytes);
  advert.signature = {signature.begin(), signature.end()};
  return advert;
}

void write(ByteWriter& out, const GroupAdvertList& list) {
  out.integer(static_cast<std::uint8_t>(list.adverts.size()));
  for (const GroupAdvert& advert : list.adverts) write(out, advert);
}

GroupAdvertList read_advert_list(ByteReader& in) {
  GroupAdvertList list;
  const std::size_t count = in.integer<std::uint8_t>("number of adverts", 1, kMaxGroupMembers);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    list.adverts.push_back(read_advert(in));
    if (i > 0 && in.ok() && list.adverts[i].site <= list.adverts[i - 1].site)
      in.refuse("adverts: expected them in order of name, each once");
  }
  return list;
}

template <class Message>
std::vector<std::byte> encode_any(Kind kind, const Message& message) {
  ByteWriter out;
  out.text(kMagic);
  out.kind(kind);
  write(out, message);
  return out.take();
}

/// Reads the header, lets `read` read the body, and refuses trailing bytes.
template <class Message>
Result<Message> decode_any(std::span<const std::byte> bytes, Kind expected, Message (*read)(ByteReader&)) {
  if (bytes.size() > kMaxGroupMessageBytes)
    return fail(ErrorCode::kInvalidArgument,
                "group message: more than " + std::to_string(kMaxGroupMessageBytes) + " bytes");
  ByteReader in(bytes);
  const bool ours = is_group_message(in.bytes(kMagic.size()));
  if (in.ok() && !ours) in.refuse("not a message of mode masked");
  const Kind kind = in.kind("kind", Kind::kAdvertList);
  if (in.ok() && kind != expected) in.refuse("a kind that only the other side sends");
  Message message = read(in);
  if (in.ok() && in.left() > 0) in.refuse("bytes are left over");
  if (!in.ok()) return fail(ErrorCode::kInvalidArgument, "group message: " + in.error());
  return message;
}

}  // namespace

std::vector<std::byte> encode(const GroupAdvert& advert) { return encode_any(Kind::kAdvert, advert); }
std::vector<std::byte> encode(const GroupAdvertList& list) { return encode_any(Kind::kAdvertList, list); }

Result<GroupAdvert> decode_group_advert(std::span<const std::byte> bytes) {
  return decode_any<GroupAdvert>(bytes, Kind::kAdvert, read_advert);
}

Result<GroupAdvertList> decode_group_advert_list(std::span<const std::byte> bytes) {
  return decode_any<GroupAdvertList>(bytes, Kind::kAdvertList, read_advert_list);
}

bool is_group_message(std::span<const std::byte> bytes) {
  return bytes.size() >= kMagic.size() &&
         std::ranges::equal(bytes.first(kMagic.size()), std::as_bytes(std::span(kMagic)));
}

std::string_view name_of(const GroupAdvert&) { return "group advert"; }
std::string_view name_of(const GroupAdvertList&) { return "group advert list"; }

}  // namespace consilium::secagg
