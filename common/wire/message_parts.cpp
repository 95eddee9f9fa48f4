#include "common/wire/message_parts.h"

#include <spdlog/fmt/fmt.h>

#include <span>
#include <utility>

#include "common/wire/conversions.h"
#include "common/wire/limits.h"
#include "consilium/v1/federation.pb.h"

namespace consilium::wire {

tl::unexpected<Error> malformed(std::string_view field, std::string_view expected, std::string_view found) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}: expected {}, found {}", field, expected, found));
}

Result<void> check_size(std::string_view bytes, std::size_t most, std::string_view field) {
  if (!bytes.empty() && bytes.size() <= most) return {};
  return malformed(field, fmt::format("1 to {} bytes", most), std::to_string(bytes.size()));
}

v1::SessionKey to_proto(const job::SessionKey& key) {
  v1::SessionKey proto;
  proto.set_job_id(key.job_id);
  proto.set_kind(static_cast<v1::SumKind>(key.kind));
  proto.set_round(key.round);
  proto.set_attempt(key.attempt);
  return proto;
}

Result<job::SessionKey> from_proto(const v1::SessionKey& proto) {
  CONSILIUM_TRY(check_name_field(proto.job_id(), "key.job_id"));
  if (proto.kind() < v1::SUM_KIND_CENSUS || proto.kind() > v1::SUM_KIND_EVALUATE) {
    return malformed("key.kind", "1 to 3", std::to_string(static_cast<int>(proto.kind())));
  }
  if (proto.round() > kMaxRounds)
    return malformed("key.round", fmt::format("at most {}", kMaxRounds), std::to_string(proto.round()));
  if (proto.attempt() == 0) return malformed("key.attempt", "at least 1", "0");
  return job::SessionKey{proto.job_id(), static_cast<job::SumKind>(proto.kind()), proto.round(), proto.attempt()};
}

Result<job::SessionKey> key_of(bool present, const v1::SessionKey& key, std::string_view message) {
  if (!present) return malformed(fmt::format("{}.key", message), "a session key", "nothing");
  auto parsed = wire::from_proto(key);
  if (!parsed) return fail(parsed.error().within(message));
  return parsed;
}

Result<Masking> masking(const v1::Masking& proto, std::size_t max_bytes) {
  CONSILIUM_ASSIGN(auto key, key_of(proto.has_key(), proto.key(), "masking"));
  if (proto.message().empty() || proto.message().size() > max_bytes) {
    return malformed("masking.message", fmt::format("1 to {} bytes", max_bytes),
                     std::to_string(proto.message().size()));
  }
  const auto bytes = std::as_bytes(std::span(proto.message()));
  return Masking{std::move(key), {bytes.begin(), bytes.end()}};
}

void write(const Masking& masking, v1::Masking& proto) {
  *proto.mutable_key() = wire::to_proto(masking.key);
  proto.set_message(masking.message.data(), masking.message.size());
}

Result<KeyAgreement> key_agreement(const v1::KeyAgreement& proto, std::size_t max_bytes) {
  CONSILIUM_TRY(check_name_field(proto.job_id(), "key_agreement.job_id"));
  if (proto.attempt() == 0) return malformed("key_agreement.attempt", "at least 1", "0");
  if (proto.message().size() > max_bytes) {
    return malformed("key_agreement.message", fmt::format("at most {} bytes", max_bytes),
                     std::to_string(proto.message().size()));
  }
  const auto bytes = std::as_bytes(std::span(proto.message()));
  return KeyAgreement{proto.job_id(), proto.attempt(), {bytes.begin(), bytes.end()}};
}

void write(const KeyAgreement& step, v1::KeyAgreement& proto) {
  proto.set_job_id(step.job_id);
  proto.set_attempt(step.attempt);
  proto.set_message(step.message.data(), step.message.size());
}

Result<std::vector<std::byte>> commit_bytes(const std::string& commit, std::size_t max_bytes, std::string_view field) {
  if (commit.empty() || commit.size() > max_bytes)
    return malformed(field, fmt::format("1 to {} bytes", max_bytes), std::to_string(commit.size()));
  const auto bytes = std::as_bytes(std::span(commit));
  return std::vector<std::byte>{bytes.begin(), bytes.end()};
}

}  // namespace consilium::wire
