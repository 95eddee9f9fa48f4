#include "common/secagg/agreement_state.h"

#include <algorithm>
#include <utility>

#include "common/crypto/aead.h"
#include "common/encoding/byte_reader.h"
#include "common/encoding/byte_writer.h"
#include "common/secagg/statement.h"

namespace consilium::secagg {
namespace {

using encoding::ByteReader;
using encoding::ByteWriter;

constexpr std::string_view kMagic = "KAS1";
constexpr std::size_t kSaltBytes = 32;
constexpr std::size_t kMaxPublicBytes = 3 * kMaxMessageBytes;

enum class Phase : std::uint8_t { kAdvertised = 1, kBoxesSent, kComplained, kReached };

/// The secrets of a state, one after the other. An awaited number leaves its place empty.
using Secrets = std::vector<const crypto::SecretBytes*>;
Secrets secrets_of(const AgreementAdvertised& state) { return {&state.box.private_key(), &state.seed}; }
Secrets secrets_of(const AgreementBoxesSent& state) { return {&state.box.private_key(), &state.number}; }
Secrets secrets_of(const AgreementComplained& state) {
  Secrets secrets;
  for (const crypto::SecretBytes& number : state.numbers) secrets.push_back(&number);
  return secrets;
}
Secrets secrets_of(const AgreementReached& state) { return {&state.number, &state.key}; }
Secrets secrets_of(const AgreementLeft&) { return {}; }

Result<crypto::SecretBytes> join(const Secrets& secrets) {
  CONSILIUM_ASSIGN(crypto::SecretBytes joined, crypto::SecretBytes::allocate(secrets.size() * kSecretBytes));
  auto rest = joined.bytes();
  for (const crypto::SecretBytes* secret : secrets) {
    std::ranges::copy(secret->bytes(), rest.begin());
    rest = rest.subspan(kSecretBytes);
  }
  return joined;
}

std::vector<std::byte> public_part(const AgreementRecord& record) {
  ByteWriter out;
  out.kind(static_cast<Phase>(record.state.index() + 1));
  out.prefixed<std::uint32_t>(encode(AgreementSiteMessage(record.advert)));
  if (std::holds_alternative<AgreementAdvertised>(record.state)) return out.take();
  out.prefixed<std::uint32_t>(encode(AgreementCoordinatorMessage(record.list)));
  out.bytes(std::span<const std::uint8_t>(record.request));
  out.prefixed<std::uint32_t>(encode(record.answer.value()));
  if (const auto* complained = std::get_if<AgreementComplained>(&record.state)) {
    out.prefixed<std::uint8_t>(std::as_bytes(std::span(complained->asked)));
    for (const auto& commitment : complained->commitments) out.bytes(std::span<const std::uint8_t>(commitment));
  }
  return out.take();
}

Result<crypto::SecretBytes> file_key(const crypto::SecretBytes& sealing_key, std::span<const std::uint8_t> salt) {
  return derive(sealing_key, salt, Statement("consilium/v1/agreement-file-key"), kSecretBytes);
}

std::vector<std::uint8_t> header(const crypto::Digest& setup, std::span<const std::byte> open_part) {
  const crypto::Digest digest = crypto::sha256(open_part);
  std::vector<std::uint8_t> header(setup.begin(), setup.end());
  header.insert(header.end(), digest.begin(), digest.end());
  return header;
}

template <class Message, class Decode>
Result<Message> read_message(ByteReader& in, std::string_view what, Decode decode) {
  CONSILIUM_ASSIGN(auto message, decode(in.prefixed<std::uint32_t>(what, 1, kMaxMessageBytes)));
  auto* wanted = std::get_if<Message>(&message);
  if (wanted == nullptr) return fail(ErrorCode::kInvalidArgument, "the message is of another kind than expected");
  return std::move(*wanted);
}

Result<crypto::SecretBytes> piece(const crypto::SecretBytes& joined, std::size_t index) {
  return crypto::SecretBytes::copy_of(joined.bytes().subspan(index * kSecretBytes, kSecretBytes));
}

Result<AgreementState> read_complained(ByteReader& in, std::size_t sites, const crypto::SecretBytes& secrets) {
  AgreementComplained state;
  for (const std::byte rank : in.prefixed<std::uint8_t>("number of complaints", 1, sites - 1)) {
    state.asked.push_back(static_cast<Rank>(rank));
  }
  for (std::size_t i = 0; i < sites; ++i) {
    state.commitments.push_back(in.digest());
    state.numbers.emplace_back();
    if (std::ranges::binary_search(state.asked, static_cast<Rank>(i))) continue;
    CONSILIUM_ASSIGN(state.numbers.back(), piece(secrets, i));
  }
  return AgreementState(std::move(state));
}

Result<AgreementState> read_state(ByteReader& in, Phase phase, std::size_t sites, const crypto::SecretBytes& secrets) {
  if (secrets.size() != (phase == Phase::kComplained ? sites : 2) * kSecretBytes)
    return fail(ErrorCode::kInvalidArgument, "the number of secrets is wrong");
  if (phase == Phase::kComplained) return read_complained(in, sites, secrets);
  CONSILIUM_ASSIGN(crypto::SecretBytes first, piece(secrets, 0));
  CONSILIUM_ASSIGN(crypto::SecretBytes second, piece(secrets, 1));
  if (phase == Phase::kReached) return AgreementState(AgreementReached{std::move(first), std::move(second)});
  CONSILIUM_ASSIGN(crypto::X25519KeyPair box, crypto::X25519KeyPair::from_private(std::move(first)));
  if (phase == Phase::kBoxesSent) return AgreementState(AgreementBoxesSent{std::move(box), std::move(second)});
  return AgreementState(AgreementAdvertised{std::move(box), std::move(second)});
}

/// Reads bytes that have already been authenticated.
Result<AgreementRecord> read_record(std::span<const std::byte> open_part, const crypto::SecretBytes& secrets) {
  ByteReader in(open_part);
  const Phase phase = in.kind("phase", Phase::kReached);
  CONSILIUM_ASSIGN(auto advert,
                   read_message<AgreementAdvert>(in, "length of an advert", decode_agreement_site_message));
  AgreementRecord record{AgreementLeft{}, std::move(advert), {}, {}, {}};
  if (phase != Phase::kAdvertised) {
    CONSILIUM_ASSIGN(record.list, read_message<AgreementAdvertList>(in, "length of the adverts",
                                                                    decode_agreement_coordinator_message));
    record.request = in.digest();
    CONSILIUM_ASSIGN(record.answer, decode_agreement_site_message(
                                        in.prefixed<std::uint32_t>("length of an answer", 1, kMaxMessageBytes)));
  }
  CONSILIUM_ASSIGN(record.state, read_state(in, phase, record.list.adverts.size(), secrets));
  if (in.ok() && in.left() > 0) in.refuse("bytes are left over");
  if (!in.ok()) return fail(ErrorCode::kInvalidArgument, in.error());
  return record;
}

}  // namespace

std::string_view name_of(const AgreementState& state) {
  constexpr std::string_view kNames[] = {"the box key is advertised", "the boxes are sent",
                                         "published numbers are awaited", "the key is agreed on",
                                         "the try was abandoned"};
  return kNames[state.index()];
}

crypto::Digest setup_digest(const AgreementSetup& setup, const std::string& site) {
  Statement statement("consilium/v1/agreement-setup");
  statement.add(setup.job).number(setup.attempt).number(setup.colluding).add(site);
  for (const auto& group : setup.groups) {
    statement.number(static_cast<std::uint32_t>(group.size()));
    for (const std::string& member : group) statement.add(member);
  }
  return statement.digest();
}

Result<std::vector<std::byte>> seal_record(const AgreementRecord& record, const crypto::SecretBytes& sealing_key,
                                           const crypto::Digest& setup, crypto::RandomSource& random) {
  if (std::holds_alternative<AgreementLeft>(record.state))
    return fail(ErrorCode::kFailedPrecondition, "the agreement can't be saved: this site has left it");
  std::array<std::uint8_t, kSaltBytes> salt{};
  CONSILIUM_TRY(random.fill(salt));
  CONSILIUM_ASSIGN(const crypto::SecretBytes key, file_key(sealing_key, salt));
  CONSILIUM_ASSIGN(const crypto::SecretBytes secrets,
                   join(std::visit([](const auto& state) { return secrets_of(state); }, record.state)));
  const std::vector<std::byte> open_part = public_part(record);
  CONSILIUM_ASSIGN(const std::vector<std::uint8_t> sealed,
                   crypto::seal(key, {}, header(setup, open_part), secrets.bytes()));
  ByteWriter out;
  out.text(kMagic);
  out.bytes(std::span<const std::uint8_t>(salt));
  out.prefixed<std::uint32_t>(open_part);
  out.bytes(std::span<const std::uint8_t>(sealed));
  return out.take();
}

Result<AgreementRecord> open_record(std::span<const std::byte> saved, const crypto::SecretBytes& sealing_key,
                                    const crypto::Digest& setup) {
  ByteReader in(saved);
  const auto magic = in.bytes(kMagic.size());
  if (in.ok() && !std::ranges::equal(magic, std::as_bytes(std::span(kMagic)))) in.refuse("not a saved agreement");
  std::array<std::uint8_t, kSaltBytes> salt{};
  in.fill(salt);
  const auto open_part = in.prefixed<std::uint32_t>("length of the open part", 1, kMaxPublicBytes);
  const auto rest = in.bytes(in.left());
  if (!in.ok()) return fail(ErrorCode::kInvalidArgument, "saved agreement: " + in.error());
  const std::span<const std::uint8_t> sealed(reinterpret_cast<const std::uint8_t*>(rest.data()), rest.size());
  CONSILIUM_ASSIGN(const crypto::SecretBytes key, file_key(sealing_key, salt));
  const auto secrets = crypto::open(key, {}, header(setup, open_part), sealed);
  if (!secrets)
    return fail(ErrorCode::kUnauthenticated,
                "saved agreement: it was saved for another job, try, site or key, or it was changed");
  auto record = read_record(open_part, *secrets);
  if (!record) return fail(record.error().within("saved agreement"));
  return record;
}

}  // namespace consilium::secagg
