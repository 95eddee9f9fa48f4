#include "common/wire/conversions.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "common/job/job_limits.h"
#include "common/job/job_text.h"
#include "common/wire/limits.h"
#include "common/wire/text.h"
#include "consilium/v1/federation.pb.h"

namespace consilium::wire {

namespace {

static_assert(job::kMaxJobBytes + job::kMaxOrderBytes <= kMaxMessageBytes);

std::string name(std::string_view text) { return clean_text(text, kMaxNameBytes); }
std::string reason(std::string_view text) { return clean_text(text, kMaxReasonBytes); }

tl::unexpected<Error> malformed(std::string_view field, std::string_view expected, std::string_view found) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}: expected {}, found {}", field, expected, found));
}

v1::FailureCode failure_code(ErrorCode code) { return static_cast<v1::FailureCode>(static_cast<int>(code) + 1); }
static_assert(static_cast<int>(ErrorCode::kInvalidArgument) + 1 == v1::FAILURE_CODE_INVALID_ARGUMENT);
static_assert(static_cast<int>(ErrorCode::kUnavailable) + 1 == v1::FAILURE_CODE_UNAVAILABLE);
static_assert(static_cast<int>(ErrorCode::kInternal) + 1 == v1::FAILURE_CODE_INTERNAL);

Result<void> check_size(std::string_view bytes, std::size_t most, std::string_view field) {
  if (!bytes.empty() && bytes.size() <= most) return {};
  return malformed(field, fmt::format("1 to {} bytes", most), std::to_string(bytes.size()));
}

Result<ErrorCode> error_code(v1::FailureCode code, std::string_view field) {
  if (code < v1::FAILURE_CODE_INVALID_ARGUMENT || code > v1::FAILURE_CODE_INTERNAL) {
    return malformed(field, "a failure code", std::to_string(static_cast<int>(code)));
  }
  return static_cast<ErrorCode>(static_cast<int>(code) - 1);
}

Result<job::SessionKey> key_of(bool present, const v1::SessionKey& key, std::string_view message) {
  if (!present) return malformed(fmt::format("{}.key", message), "a session key", "nothing");
  auto parsed = wire::from_proto(key);
  if (!parsed) return fail(parsed.error().within(message));
  return parsed;
}

Result<SiteMessage> site_hello(const v1::SiteHello& proto) {
  CONSILIUM_TRY(check_name_field(proto.software(), "hello.software"));
  if (static_cast<std::size_t>(proto.datasets_size()) > kMaxDatasets) {
    return malformed("hello.datasets", fmt::format("at most {} names", kMaxDatasets),
                     std::to_string(proto.datasets_size()));
  }
  for (const auto& dataset : proto.datasets()) CONSILIUM_TRY(check_name_field(dataset, "hello.datasets"));
  return SiteHello{proto.software(), {proto.datasets().begin(), proto.datasets().end()}};
}

Result<SiteMessage> job_answer(const v1::JobAnswer& proto) {
  CONSILIUM_TRY(check_name_field(proto.job_id(), "job_answer.job_id"));
  CONSILIUM_TRY(check_text_field(proto.reason(), kMaxReasonBytes, "job_answer.reason"));
  if (proto.consent() < v1::JOB_CONSENT_DECLINED || proto.consent() > v1::JOB_CONSENT_WAITS) {
    return malformed("job_answer.consent", "1 to 3", std::to_string(static_cast<int>(proto.consent())));
  }
  return JobAnswer{proto.job_id(), static_cast<JobConsent>(proto.consent()), proto.reason()};
}

Result<SiteMessage> session_progress(const v1::SessionProgress& proto) {
  CONSILIUM_ASSIGN(auto key, key_of(proto.has_key(), proto.key(), "progress"));
  if (proto.phase() < v1::SITE_PHASE_FETCHING || proto.phase() > v1::SITE_PHASE_UPLOADING) {
    return malformed("progress.phase", "1 to 4", std::to_string(static_cast<int>(proto.phase())));
  }
  return SessionProgress{std::move(key), static_cast<SitePhase>(proto.phase())};
}

Result<SiteMessage> session_partial(const v1::SessionPartial& proto) {
  CONSILIUM_ASSIGN(auto key, key_of(proto.has_key(), proto.key(), "partial"));
  return SessionPartial{std::move(key)};
}

Result<SiteMessage> session_failed(const v1::SessionFailed& proto) {
  CONSILIUM_ASSIGN(auto key, key_of(proto.has_key(), proto.key(), "failed"));
  CONSILIUM_ASSIGN(const ErrorCode code, error_code(proto.code(), "failed.code"));
  CONSILIUM_TRY(check_text_field(proto.reason(), kMaxReasonBytes, "failed.reason"));
  return SessionFailed{std::move(key), code, proto.reason()};
}

/// Both directions' steps of secure aggregation: their bytes are common/secagg's to read.
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

Result<SiteMessage> endorsement(const v1::Endorsement& proto) {
  CONSILIUM_ASSIGN(auto key, key_of(proto.has_key(), proto.key(), "endorsement"));
  CONSILIUM_ASSIGN(auto bytes, commit_bytes(proto.commit(), kMaxSiteMessageBytes, "endorsement.commit"));
  return Endorsement{std::move(key), std::move(bytes)};
}

Result<CoordinatorMessage> round_committed(const v1::RoundCommitted& proto) {
  CONSILIUM_ASSIGN(auto key, key_of(proto.has_key(), proto.key(), "round_committed"));
  CONSILIUM_ASSIGN(auto bytes, commit_bytes(proto.commit(), kMaxMaskingBytes, "round_committed.commit"));
  return RoundCommitted{std::move(key), std::move(bytes)};
}

Result<CoordinatorMessage> group_total(const v1::GroupTotal& proto) {
  GroupTotal total;
  CONSILIUM_ASSIGN(total.key, key_of(proto.has_key(), proto.key(), "group_total"));
  CONSILIUM_ASSIGN(total.total, digest_from_field(proto.total(), "group_total.total"));
  total.words = proto.words();
  if (total.words == 0 || total.words > kMaxBlobBytes / sizeof(std::uint32_t)) {
    return malformed("group_total.words", fmt::format("1 to {}", kMaxBlobBytes / sizeof(std::uint32_t)),
                     std::to_string(total.words));
  }
  if (proto.sums_size() < 1 || static_cast<std::size_t>(proto.sums_size()) > job::kMaxCountGroups) {
    return malformed("group_total.sums", fmt::format("1 to {} groups", job::kMaxCountGroups),
                     std::to_string(proto.sums_size()));
  }
  for (const v1::IncludedSum& sum : proto.sums()) {
    CONSILIUM_ASSIGN(const crypto::Digest cohort, digest_from_field(sum.cohort(), "group_total.sums.cohort"));
    if (!total.sums.empty() && sum.group() <= total.sums.back().group)
      return malformed("group_total.sums.group", "ascending numbers", std::to_string(sum.group()));
    total.sums.push_back({sum.group(), cohort, sum.tag()});
  }
  return total;
}

Result<CoordinatorMessage> job_offer(const v1::JobOffer& proto) {
  CONSILIUM_TRY(check_name_field(proto.job_id(), "job_offer.job_id"));
  CONSILIUM_TRY(check_text_field(proto.spec(), job::kMaxJobBytes, "job_offer.spec"));
  if (!proto.has_signature()) return malformed("job_offer.signature", "a researcher's signature", "nothing");
  auto signature = wire::from_proto(proto.signature());
  if (!signature) return fail(signature.error().within("job_offer"));
  return JobOffer{proto.job_id(), proto.spec(), std::move(*signature)};
}

Result<CoordinatorMessage> session_offer(const v1::SessionOffer& proto) {
  CONSILIUM_ASSIGN(auto key, key_of(proto.has_key(), proto.key(), "session_offer"));
  if (proto.order().empty() || proto.order().size() > job::kMaxOrderBytes) {
    return malformed("session_offer.order", fmt::format("1 to {} bytes", job::kMaxOrderBytes),
                     std::to_string(proto.order().size()));
  }
  if (proto.model_bytes() > kMaxBlobBytes) {
    return malformed("session_offer.model_bytes", fmt::format("at most {}", kMaxBlobBytes),
                     std::to_string(proto.model_bytes()));
  }
  const auto bytes = std::as_bytes(std::span(proto.order()));
  return SessionOffer{std::move(key), {bytes.begin(), bytes.end()}, proto.model_bytes()};
}

Result<CoordinatorMessage> session_closed(const v1::SessionClosed& proto) {
  CONSILIUM_ASSIGN(auto key, key_of(proto.has_key(), proto.key(), "session_closed"));
  CONSILIUM_TRY(check_text_field(proto.reason(), kMaxReasonBytes, "session_closed.reason"));
  return SessionClosed{std::move(key), proto.reason()};
}

Result<CoordinatorMessage> job_ended(const v1::JobEnded& proto) {
  CONSILIUM_TRY(check_name_field(proto.job_id(), "job_ended.job_id"));
  CONSILIUM_TRY(check_text_field(proto.outcome(), kMaxReasonBytes, "job_ended.outcome"));
  return JobEnded{proto.job_id(), proto.outcome()};
}

/// Fills the protobuf message with one alternative of a site's messages.
struct SiteWriter {
  v1::SiteMessage& out;
  void operator()(const SiteHello& hello) const {
    out.mutable_hello()->set_software(name(hello.software));
    const std::size_t count = std::min(hello.datasets.size(), kMaxDatasets);
    for (std::size_t index = 0; index < count; ++index) out.mutable_hello()->add_datasets(name(hello.datasets[index]));
  }
  void operator()(const JobAnswer& answer) const {
    auto& proto = *out.mutable_job_answer();
    proto.set_job_id(answer.job_id);
    proto.set_consent(static_cast<v1::JobConsent>(answer.consent));
    proto.set_reason(reason(answer.reason));
  }
  void operator()(const SessionProgress& progress) const {
    *out.mutable_progress()->mutable_key() = wire::to_proto(progress.key);
    out.mutable_progress()->set_phase(static_cast<v1::SitePhase>(progress.phase));
  }
  void operator()(const SessionPartial& partial) const {
    *out.mutable_partial()->mutable_key() = wire::to_proto(partial.key);
  }
  void operator()(const SessionFailed& failed) const {
    *out.mutable_failed()->mutable_key() = wire::to_proto(failed.key);
    out.mutable_failed()->set_code(failure_code(failed.code));
    out.mutable_failed()->set_reason(reason(failed.reason));
  }
  void operator()(const Masking& masking) const { write(masking, *out.mutable_masking()); }
  void operator()(const KeyAgreement& step) const { write(step, *out.mutable_key_agreement()); }
  void operator()(const Endorsement& endorsement) const {
    *out.mutable_endorsement()->mutable_key() = wire::to_proto(endorsement.key);
    out.mutable_endorsement()->set_commit(endorsement.commit.data(), endorsement.commit.size());
  }
};

/// The same for the coordinator's messages.
struct CoordinatorWriter {
  v1::CoordinatorMessage& out;
  void operator()(const JobOffer& offer) const {
    auto& proto = *out.mutable_job_offer();
    proto.set_job_id(offer.job_id);
    proto.set_spec(offer.spec);
    *proto.mutable_signature() = wire::to_proto(offer.signature);
  }
  void operator()(const SessionOffer& offer) const {
    auto& proto = *out.mutable_session_offer();
    *proto.mutable_key() = wire::to_proto(offer.key);
    proto.set_order(offer.order.data(), offer.order.size());
    proto.set_model_bytes(offer.model_bytes);
  }
  void operator()(const SessionClosed& closed) const {
    *out.mutable_session_closed()->mutable_key() = wire::to_proto(closed.key);
    out.mutable_session_closed()->set_reason(reason(closed.reason));
  }
  void operator()(const JobEnded& ended) const {
    out.mutable_job_ended()->set_job_id(ended.job_id);
    out.mutable_job_ended()->set_outcome(reason(ended.outcome));
  }
  void operator()(const Masking& masking) const { write(masking, *out.mutable_masking()); }
  void operator()(const KeyAgreement& step) const { write(step, *out.mutable_key_agreement()); }
  void operator()(const GroupTotal& total) const {
    auto& proto = *out.mutable_group_total();
    *proto.mutable_key() = wire::to_proto(total.key);
    for (const IncludedSum& sum : total.sums) {
      v1::IncludedSum& one = *proto.add_sums();
      one.set_group(sum.group);
      one.set_cohort(sum.cohort.data(), sum.cohort.size());
      one.set_tag(sum.tag);
    }
    proto.set_total(total.total.data(), total.total.size());
    proto.set_words(total.words);
  }
  void operator()(const RoundCommitted& committed) const {
    *out.mutable_round_committed()->mutable_key() = wire::to_proto(committed.key);
    out.mutable_round_committed()->set_commit(committed.commit.data(), committed.commit.size());
  }
};

template <class Proto>
Result<Proto> parse(std::span<const std::byte> bytes) {
  Proto proto;
  if (bytes.size() > kMaxMessageBytes || !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} bytes that are no {}", bytes.size(), proto.GetTypeName()));
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

v1::SiteMessage to_proto(const SiteMessage& message) {
  v1::SiteMessage proto;
  std::visit(SiteWriter{proto}, message);
  return proto;
}

v1::CoordinatorMessage to_proto(const CoordinatorMessage& message) {
  v1::CoordinatorMessage proto;
  std::visit(CoordinatorWriter{proto}, message);
  return proto;
}

Result<SiteMessage> from_proto(const v1::SiteMessage& proto) {
  switch (proto.message_case()) {
    case v1::SiteMessage::kHello:
      return site_hello(proto.hello());
    case v1::SiteMessage::kJobAnswer:
      return job_answer(proto.job_answer());
    case v1::SiteMessage::kProgress:
      return session_progress(proto.progress());
    case v1::SiteMessage::kPartial:
      return session_partial(proto.partial());
    case v1::SiteMessage::kFailed:
      return session_failed(proto.failed());
    case v1::SiteMessage::kMasking: {
      CONSILIUM_ASSIGN(Masking step, masking(proto.masking(), kMaxSiteMessageBytes));
      return SiteMessage(std::move(step));
    }
    case v1::SiteMessage::kKeyAgreement: {
      CONSILIUM_ASSIGN(KeyAgreement step, key_agreement(proto.key_agreement(), kMaxSiteMessageBytes));
      return SiteMessage(std::move(step));
    }
    case v1::SiteMessage::kEndorsement:
      return endorsement(proto.endorsement());
    case v1::SiteMessage::MESSAGE_NOT_SET:
      break;
  }
  return malformed("message",
                   "one of hello, job_answer, progress, partial, failed, masking, key_agreement, endorsement",
                   "none of them");
}

Result<CoordinatorMessage> from_proto(const v1::CoordinatorMessage& proto) {
  switch (proto.message_case()) {
    case v1::CoordinatorMessage::kJobOffer:
      return job_offer(proto.job_offer());
    case v1::CoordinatorMessage::kSessionOffer:
      return session_offer(proto.session_offer());
    case v1::CoordinatorMessage::kSessionClosed:
      return session_closed(proto.session_closed());
    case v1::CoordinatorMessage::kJobEnded:
      return job_ended(proto.job_ended());
    case v1::CoordinatorMessage::kMasking: {
      CONSILIUM_ASSIGN(Masking step, masking(proto.masking(), kMaxMaskingBytes));
      return CoordinatorMessage(std::move(step));
    }
    case v1::CoordinatorMessage::kKeyAgreement: {
      CONSILIUM_ASSIGN(KeyAgreement step, key_agreement(proto.key_agreement(), kMaxMaskingBytes));
      return CoordinatorMessage(std::move(step));
    }
    case v1::CoordinatorMessage::kGroupTotal:
      return group_total(proto.group_total());
    case v1::CoordinatorMessage::kRoundCommitted:
      return round_committed(proto.round_committed());
    case v1::CoordinatorMessage::MESSAGE_NOT_SET:
      break;
  }
  return malformed("message",
                   "one of job_offer, session_offer, session_closed, job_ended, masking, key_agreement, group_total, "
                   "round_committed",
                   "none of them");
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
