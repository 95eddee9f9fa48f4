#include "common/secagg/agreement_messages.h"

#include <algorithm>
#include <utility>

#include "common/encoding/byte_reader.h"
#include "common/encoding/byte_writer.h"
#include "common/pki/identity.h"

namespace consilium::secagg {
namespace {

using encoding::ByteReader;
using encoding::ByteWriter;

constexpr std::string_view kMagic = "KAG1";
constexpr std::size_t kMaxName = 63;

enum class Kind : std::uint8_t {
  kAdvert = 1,
  kAdvertList,
  kNumberBoxes,
  kDeliveredBoxes,
  kComplaints,
  kAccusation,
  kOpening,
  kOpenings,
  kAgreed
};

template <std::size_t size>
void write(ByteWriter& out, const std::array<std::uint8_t, size>& bytes) {
  out.bytes(std::span<const std::uint8_t>(bytes));
}
void write(ByteWriter& out, const Signature& signature) { out.prefixed<std::uint8_t>(std::span(signature)); }
Signature read_signature(ByteReader& in) {
  const auto bytes = in.prefixed<std::uint8_t>("length of a signature", 1, kMaxSignatureBytes);
  return {bytes.begin(), bytes.end()};
}

/// Reads the length of a list that leaves out the site which sends or receives it.
std::size_t read_others(ByteReader& in, std::string_view what) {
  return in.integer<std::uint8_t>(what, 1, kMaxSites - 1);
}
void write_count(ByteWriter& out, std::size_t count) { out.integer(static_cast<std::uint8_t>(count)); }

/// Reads the next rank of an ascending list.
Rank read_rank(ByteReader& in, const Rank* before) {
  return in.integer<Rank>("rank", before == nullptr ? 0 : *before + 1U, kMaxSites - 1);
}

void write(ByteWriter& out, const AgreementAdvert& advert) {
  out.prefixed<std::uint8_t>(std::string_view(advert.site));
  out.prefixed<std::uint16_t>(std::string_view(advert.certificate));
  write(out, advert.box_key);
  write(out, advert.signature);
}
AgreementAdvert read_advert(ByteReader& in) {
  AgreementAdvert advert;
  advert.site = in.text<std::uint8_t>("length of a site's name", 1, kMaxName);
  if (const auto named = pki::check_name(advert.site); in.ok() && !named) in.refuse("site: " + named.error().message);
  advert.certificate = in.text<std::uint16_t>("length of a certificate", 1, kMaxCertificateBytes);
  in.fill(advert.box_key);
  advert.signature = read_signature(in);
  return advert;
}

void write(ByteWriter& out, const AgreementAdvertList& list) {
  write_count(out, list.adverts.size());
  for (const AgreementAdvert& advert : list.adverts) write(out, advert);
}
AgreementAdvertList read_advert_list(ByteReader& in) {
  AgreementAdvertList list;
  const std::size_t count = in.integer<std::uint8_t>("number of adverts", 1, kMaxSites);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    list.adverts.push_back(read_advert(in));
    if (i > 0 && in.ok() && list.adverts[i].site <= list.adverts[i - 1].site)
      in.refuse("adverts: expected them in order of name, each once");
  }
  return list;
}

void write(ByteWriter& out, const NumberBox& box) {
  write(out, box.sealed);
  write(out, box.signature);
}
NumberBox read_box(ByteReader& in) {
  NumberBox box;
  in.fill(box.sealed);
  box.signature = read_signature(in);
  return box;
}

void write(ByteWriter& out, const NumberBoxes& message) {
  write(out, message.commitment);
  write_count(out, message.boxes.size());
  for (const NumberBox& box : message.boxes) write(out, box);
}
NumberBoxes read_number_boxes(ByteReader& in) {
  NumberBoxes message{in.digest(), {}};
  const std::size_t count = read_others(in, "number of boxes");
  for (std::size_t i = 0; i < count && in.ok(); ++i) message.boxes.push_back(read_box(in));
  return message;
}

void write(ByteWriter& out, const DeliveredBoxes& message) {
  write_count(out, message.boxes.size());
  for (const auto& [commitment, box] : message.boxes) {
    write(out, commitment);
    write(out, box);
  }
}
DeliveredBoxes read_delivered_boxes(ByteReader& in) {
  DeliveredBoxes message;
  const std::size_t count = read_others(in, "number of boxes");
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const crypto::Digest commitment = in.digest();
    message.boxes.push_back({commitment, read_box(in)});
  }
  return message;
}

void write(ByteWriter& out, const Complaints& complaints) {
  write_count(out, complaints.about.size());
  for (const auto& [site, signature] : complaints.about) {
    out.integer(site);
    write(out, signature);
  }
}
Complaints read_complaints(ByteReader& in) {
  Complaints complaints;
  const std::size_t count = read_others(in, "number of complaints");
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const Rank site = read_rank(in, i == 0 ? nullptr : &complaints.about.back().site);
    complaints.about.push_back({site, read_signature(in)});
  }
  return complaints;
}

void write(ByteWriter& out, const Accusation& accusation) {
  out.integer(accusation.from);
  write(out, accusation.signature);
}
Accusation read_accusation(ByteReader& in) {
  const Rank from = read_rank(in, nullptr);
  return {from, read_signature(in)};
}

void write(ByteWriter& out, const Opening& opening) { write(out, opening.number); }
Opening read_opening(ByteReader& in) {
  Opening opening;
  in.fill(opening.number);
  return opening;
}

void write(ByteWriter& out, const Openings& openings) {
  write_count(out, openings.numbers.size());
  for (const auto& [from, number] : openings.numbers) {
    out.integer(from);
    write(out, number);
  }
}
Openings read_openings(ByteReader& in) {
  Openings openings;
  const std::size_t count = read_others(in, "number of openings");
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const Rank from = read_rank(in, i == 0 ? nullptr : &openings.numbers.back().from);
    in.fill(openings.numbers.emplace_back(Opened{from, {}}).number);
  }
  return openings;
}

void write(ByteWriter& out, const Agreed& agreed) {
  write(out, agreed.confirmation);
  write(out, agreed.signature);
}
Agreed read_agreed(ByteReader& in) {
  const crypto::Digest confirmation = in.digest();
  return {confirmation, read_signature(in)};
}

Kind kind_of(const AgreementSiteMessage& message) {
  constexpr Kind kKinds[] = {Kind::kAdvert, Kind::kNumberBoxes, Kind::kComplaints, Kind::kOpening, Kind::kAgreed};
  return kKinds[message.index()];
}
Kind kind_of(const AgreementCoordinatorMessage& message) {
  constexpr Kind kKinds[] = {Kind::kAdvertList, Kind::kDeliveredBoxes, Kind::kAccusation, Kind::kOpenings};
  return kKinds[message.index()];
}

template <class Message>
std::vector<std::byte> encode_any(const Message& message) {
  ByteWriter out;
  out.text(kMagic);
  out.kind(kind_of(message));
  std::visit([&out](const auto& body) { write(out, body); }, message);
  return out.take();
}

/// Reads magic and kind, lets `body` read the rest, and refuses trailing bytes.
template <class Message, class Body>
Result<Message> decode_any(std::span<const std::byte> bytes, Body body) {
  if (bytes.size() > kMaxMessageBytes)
    return fail(ErrorCode::kInvalidArgument,
                "agreement message: more than " + std::to_string(kMaxMessageBytes) + " bytes");
  ByteReader in(bytes);
  const bool ours = is_agreement_message(in.bytes(kMagic.size()));
  if (in.ok() && !ours) in.refuse("not a message of the agreement on a key");
  Message message = body(in, in.kind("kind", Kind::kAgreed));
  if (in.ok() && in.left() > 0) in.refuse("bytes are left over");
  if (!in.ok()) return fail(ErrorCode::kInvalidArgument, "agreement message: " + in.error());
  return message;
}

constexpr std::string_view kNames[] = {"",
                                       "agreement advert",
                                       "agreement advert list",
                                       "number boxes",
                                       "delivered boxes",
                                       "complaints",
                                       "accusation",
                                       "opening",
                                       "openings",
                                       "agreed"};

}  // namespace

std::vector<std::byte> encode(const AgreementSiteMessage& message) { return encode_any(message); }
std::vector<std::byte> encode(const AgreementCoordinatorMessage& message) { return encode_any(message); }

Result<AgreementSiteMessage> decode_agreement_site_message(std::span<const std::byte> bytes) {
  return decode_any<AgreementSiteMessage>(bytes, [](ByteReader& in, Kind kind) -> AgreementSiteMessage {
    switch (kind) {
      case Kind::kAdvert:
        return read_advert(in);
      case Kind::kNumberBoxes:
        return read_number_boxes(in);
      case Kind::kComplaints:
        return read_complaints(in);
      case Kind::kOpening:
        return read_opening(in);
      case Kind::kAgreed:
        return read_agreed(in);
      default:
        in.refuse("not a kind that a site sends");
        return AgreementAdvert{};
    }
  });
}

Result<AgreementCoordinatorMessage> decode_agreement_coordinator_message(std::span<const std::byte> bytes) {
  return decode_any<AgreementCoordinatorMessage>(bytes, [](ByteReader& in, Kind kind) -> AgreementCoordinatorMessage {
    switch (kind) {
      case Kind::kAdvertList:
        return read_advert_list(in);
      case Kind::kDeliveredBoxes:
        return read_delivered_boxes(in);
      case Kind::kAccusation:
        return read_accusation(in);
      case Kind::kOpenings:
        return read_openings(in);
      default:
        in.refuse("not a kind that a coordinator sends");
        return AgreementAdvertList{};
    }
  });
}

bool is_agreement_message(std::span<const std::byte> bytes) {
  return bytes.size() >= kMagic.size() &&
         std::ranges::equal(bytes.first(kMagic.size()), std::as_bytes(std::span(kMagic)));
}

std::string_view name_of(const AgreementSiteMessage& message) {
  return kNames[static_cast<std::size_t>(kind_of(message))];
}
std::string_view name_of(const AgreementCoordinatorMessage& message) {
  return kNames[static_cast<std::size_t>(kind_of(message))];
}

}  // namespace consilium::secagg
