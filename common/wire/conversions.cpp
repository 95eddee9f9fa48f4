#include "common/wire/conversions.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "common/job/job_limits.h"
#include "common/job/job_text.h"
#include "common/wire/limits.h"
#include "common/wire/message_parts.h"
#include "common/wire/text.h"
#include "consilium/v1/federation.pb.h"

namespace consilium::wire {

namespace {

static_assert(job::kMaxJobBytes + job::kMaxOrderBytes <= kMaxMessageBytes);

template <class Proto>
Result<Proto> parse(std::span<const std::byte> bytes) {
  Proto proto;
  if (bytes.size() > kMaxMessageBytes || !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} bytes that are not a {}", bytes.size(), proto.GetTypeName()));
  }
  return proto;
}

}  // namespace

Result<void> check_text_field(std::string_view value, std::size_t max_bytes, std::string_view field) {
  if (value.size() > max_bytes)
    return malformed(field, fmt::format("at most {} bytes", max_bytes), std::to_string(value.size()));
  if (!is_clean_text(value)) return malformed(field, "UTF-8 without control characters", "other bytes");
  return {};
}

Result<void> check_name_field(std::string_view value, std::string_view field) {
  if (value.empty()) return malformed(field, "a name", "nothing");
  return check_text_field(value, kMaxNameBytes, field);
}

Result<crypto::Digest> digest_from_field(const std::string& bytes, std::string_view field) {
  crypto::Digest digest{};
  if (bytes.size() != digest.size()) return malformed(field, "32 bytes", std::to_string(bytes.size()));
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

v1::JobSignature to_proto(const job::JobSignature& signature) {
  v1::JobSignature proto;
  proto.set_coordinator(signature.coordinator);
  proto.set_not_after(signature.not_after);
  proto.set_certificate(signature.certificate);
  proto.set_signature(signature.signature.data(), signature.signature.size());
  return proto;
}

Result<job::JobSignature> from_proto(const v1::JobSignature& proto) {
  CONSILIUM_TRY(check_text_field(proto.coordinator(), job::kMaxCoordinatorBytes, "signature.coordinator"));
  CONSILIUM_TRY(check_size(proto.certificate(), job::kMaxResearcherCertificateBytes, "signature.certificate"));
  CONSILIUM_TRY(check_size(proto.signature(), job::kMaxJobSignatureBytes, "signature.signature"));
  const auto bytes = std::as_bytes(std::span(proto.signature()));
  return job::JobSignature{proto.coordinator(), proto.not_after(), proto.certificate(), {bytes.begin(), bytes.end()}};
}

std::string encode(const SiteMessage& message) { return to_proto(message).SerializeAsString(); }
std::string encode(const CoordinatorMessage& message) { return to_proto(message).SerializeAsString(); }

Result<SiteMessage> decode_site_message(std::span<const std::byte> bytes) {
  CONSILIUM_ASSIGN(const auto proto, parse<v1::SiteMessage>(bytes));
  return from_proto(proto);
}

Result<CoordinatorMessage> decode_coordinator_message(std::span<const std::byte> bytes) {
  CONSILIUM_ASSIGN(const auto proto, parse<v1::CoordinatorMessage>(bytes));
  return from_proto(proto);
}

}  // namespace consilium::wire
