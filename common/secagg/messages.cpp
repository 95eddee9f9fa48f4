#include "common/secagg/messages.h"

#include <algorithm>
#include <utility>

#include "common/encoding/byte_reader.h"
#include "common/encoding/byte_writer.h"
#include "common/pki/identity.h"

namespace consilium::secagg {
namespace {

using encoding::ByteReader;
using encoding::ByteWriter;

constexpr std::string_view kMagic = "CSA1";
constexpr std::size_t kMaxName = 63;

enum class Kind : std::uint8_t {
  kAdvert = 1,
  kAdvertList,
  kShares,
  kBoxes,
  kSurvivors,
  kConfirmation,
  kUnmaskRequest,
  kReveal
};

void write(ByteWriter& out, const Signature& signature) { out.prefixed<std::uint8_t>(std::span(signature)); }
Signature read_signature(ByteReader& in) {
  const auto bytes = in.prefixed<std::uint8_t>("length of a signature", 1, kMaxSignatureBytes);
  return {bytes.begin(), bytes.end()};
}

void write(ByteWriter& out, const Advert& advert) {
  out.prefixed<std::uint8_t>(std::string_view(advert.site));
  out.prefixed<std::uint16_t>(std::string_view(advert.certificate));
  out.bytes(std::span<const std::uint8_t>(advert.channel_key));
  out.bytes(std::span<const std::uint8_t>(advert.mask_key));
  write(out, advert.signature);
}
Advert read_advert(ByteReader& in) {
  Advert advert;
  advert.site = in.text<std::uint8_t>("length of a site's name", 1, kMaxName);
  if (const auto named = pki::check_name(advert.site); in.ok() && !named) in.refuse("site: " + named.error().message);
  advert.certificate = in.text<std::uint16_t>("length of a certificate", 1, kMaxCertificateBytes);
  in.fill(advert.channel_key);
  in.fill(advert.mask_key);
  advert.signature = read_signature(in);
  return advert;
}

std::size_t read_count(ByteReader& in, std::string_view what, std::size_t low = 1) {
  return in.integer<std::uint8_t>(what, low, kMaxSites);
}
void write_count(ByteWriter& out, std::size_t count) { out.integer(static_cast<std::uint8_t>(count)); }

/// Reads the next rank of an ascending list.
Rank read_rank(ByteReader& in, const Rank* before) {
  return in.integer<Rank>("rank", before == nullptr ? 0 : *before + 1U, kMaxSites - 1);
}

void write_body(ByteWriter& out, const AdvertList& list) {
  write_count(out, list.adverts.size());
  for (const Advert& advert : list.adverts) write(out, advert);
}
AdvertList read_advert_list(ByteReader& in) {
  AdvertList list;
  const std::size_t count = read_count(in, "number of adverts");
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    list.adverts.push_back(read_advert(in));
    if (i > 0 && in.ok() && list.adverts[i].site <= list.adverts[i - 1].site)
      in.refuse("adverts: expected them in order of name, each once");
  }
  return list;
}

void write_body(ByteWriter& out, const Shares& shares) {
  out.bytes(std::span<const std::uint8_t>(shares.seed));
  write_count(out, shares.commitments.size());
  for (const ShareCommitments& commitment : shares.commitments) {
    out.bytes(std::span<const std::uint8_t>(commitment.seed_share));
    out.bytes(std::span<const std::uint8_t>(commitment.key_share));
  }
  for (const SealedShares& box : shares.boxes) out.bytes(std::span<const std::uint8_t>(box));
}
Shares read_shares(ByteReader& in) {
  Shares shares;
  shares.seed = in.digest();
  const std::size_t count = read_count(in, "number of commitments");
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    ShareCommitments& commitment = shares.commitments.emplace_back();
    commitment.seed_share = in.digest();
    commitment.key_share = in.digest();
  }
  for (std::size_t i = 1; i < count && in.ok(); ++i) in.fill(shares.boxes.emplace_back());
  return shares;
}

void write_body(ByteWriter& out, const Boxes& boxes) {
  write_count(out, boxes.boxes.size());
  for (const Box& box : boxes.boxes) {
    out.integer(box.from);
    out.bytes(std::span<const std::uint8_t>(box.sealed));
  }
}
Boxes read_boxes(ByteReader& in) {
  Boxes boxes;
  const std::size_t count = read_count(in, "number of boxes");
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const Rank from = read_rank(in, i == 0 ? nullptr : &boxes.boxes.back().from);
    in.fill(boxes.boxes.emplace_back(Box{from, {}}).sealed);
  }
  return boxes;
}

void write_body(ByteWriter& out, const Survivors& survivors) {
  write_count(out, survivors.ranks.size());
  for (const Rank rank : survivors.ranks) out.integer(rank);
}
Survivors read_survivors(ByteReader& in) {
  Survivors survivors;
  const std::size_t count = read_count(in, "number of survivors");
  for (std::size_t i = 0; i < count && in.ok(); ++i)
    survivors.ranks.push_back(read_rank(in, i == 0 ? nullptr : &survivors.ranks.back()));
  return survivors;
}

void write_body(ByteWriter& out, const UnmaskRequest& request) {
  write_count(out, request.confirmations.size());
  for (const Signed& confirmation : request.confirmations) {
    out.integer(confirmation.site);
    write(out, confirmation.signature);
  }
}
UnmaskRequest read_unmask_request(ByteReader& in) {
  UnmaskRequest request;
  const std::size_t count = read_count(in, "number of confirmations");
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const Rank site = read_rank(in, i == 0 ? nullptr : &request.confirmations.back().site);
    request.confirmations.push_back({site, read_signature(in)});
  }
  return request;
}

void write_body(ByteWriter& out, const Reveal& reveal) {
  write_count(out, reveal.shares.size());
  for (const RevealedShare& share : reveal.shares) out.bytes(std::span<const std::uint8_t>(share));
}
Reveal read_reveal(ByteReader& in) {
  Reveal reveal;
  const std::size_t count = read_count(in, "number of shares");
  for (std::size_t i = 0; i < count && in.ok(); ++i) in.fill(reveal.shares.emplace_back());
  return reveal;
}

void write_body(ByteWriter& out, const Advert& advert) { write(out, advert); }
void write_body(ByteWriter& out, const Confirmation& confirmation) { write(out, confirmation.signature); }

Kind kind_of(const Advert&) { return Kind::kAdvert; }
Kind kind_of(const AdvertList&) { return Kind::kAdvertList; }
Kind kind_of(const Shares&) { return Kind::kShares; }
Kind kind_of(const Boxes&) { return Kind::kBoxes; }
Kind kind_of(const Survivors&) { return Kind::kSurvivors; }
Kind kind_of(const Confirmation&) { return Kind::kConfirmation; }
Kind kind_of(const UnmaskRequest&) { return Kind::kUnmaskRequest; }
Kind kind_of(const Reveal&) { return Kind::kReveal; }

template <class Message>
std::vector<std::byte> encode_any(const Message& message) {
  ByteWriter out;
  out.text(kMagic);
  std::visit(
      [&out](const auto& body) {
        out.kind(kind_of(body));
        write_body(out, body);
      },
      message);
  return out.take();
}

/// Reads magic and kind, lets `body` read the rest, and refuses trailing bytes.
template <class Message, class Body>
Result<Message> decode_any(std::span<const std::byte> bytes, Body body) {
  if (bytes.size() > kMaxMessageBytes)
    return fail(ErrorCode::kInvalidArgument,
                "masking message: more than " + std::to_string(kMaxMessageBytes) + " bytes");
  ByteReader in(bytes);
  const auto magic = in.bytes(kMagic.size());
  if (in.ok() && !std::ranges::equal(magic, std::as_bytes(std::span(kMagic)))) in.refuse("not a masking message");
  Message message = body(in, in.kind("kind", Kind::kReveal));
  if (in.ok() && in.left() > 0) in.refuse("bytes are left over");
  if (!in.ok()) return fail(ErrorCode::kInvalidArgument, "masking message: " + in.error());
  return message;
}

}  // namespace

std::vector<std::byte> encode(const SiteMessage& message) { return encode_any(message); }
std::vector<std::byte> encode(const CoordinatorMessage& message) { return encode_any(message); }

Result<SiteMessage> decode_site_message(std::span<const std::byte> bytes) {
  return decode_any<SiteMessage>(bytes, [](ByteReader& in, Kind kind) -> SiteMessage {
    switch (kind) {
      case Kind::kAdvert:
        return read_advert(in);
      case Kind::kShares:
        return read_shares(in);
      case Kind::kConfirmation:
        return Confirmation{read_signature(in)};
      case Kind::kReveal:
        return read_reveal(in);
      default:
        in.refuse("not a kind that a site sends");
        return Advert{};
    }
  });
}

Result<CoordinatorMessage> decode_coordinator_message(std::span<const std::byte> bytes) {
  return decode_any<CoordinatorMessage>(bytes, [](ByteReader& in, Kind kind) -> CoordinatorMessage {
    switch (kind) {
      case Kind::kAdvertList:
        return read_advert_list(in);
      case Kind::kBoxes:
        return read_boxes(in);
      case Kind::kSurvivors:
        return read_survivors(in);
      case Kind::kUnmaskRequest:
        return read_unmask_request(in);
      default:
        in.refuse("not a kind that a coordinator sends");
        return AdvertList{};
    }
  });
}

crypto::X25519PublicKey canonical(crypto::X25519PublicKey key) {
  key.back() &= 0x7F;
  return key;
}

namespace {
constexpr std::string_view kNames[] = {"",          "advert",       "advert list",    "shares", "boxes",
                                       "survivors", "confirmation", "unmask request", "reveal"};
template <class Message>
std::string_view name_of_any(const Message& message) {
  return kNames[static_cast<std::size_t>(std::visit([](const auto& body) { return kind_of(body); }, message))];
}
}  // namespace

std::string_view name_of(const SiteMessage& message) { return name_of_any(message); }
std::string_view name_of(const CoordinatorMessage& message) { return name_of_any(message); }

}  // namespace consilium::secagg
