// Messages that a site sends on its stream.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "common/wire/conversions.h"
#include "common/wire/limits.h"
#include "common/wire/message_parts.h"
#include "common/wire/text.h"
#include "consilium/v1/federation.pb.h"

namespace consilium::wire {

namespace {

v1::FailureCode failure_code(ErrorCode code) { return static_cast<v1::FailureCode>(static_cast<int>(code) + 1); }
static_assert(static_cast<int>(ErrorCode::kInvalidArgument) + 1 == v1::FAILURE_CODE_INVALID_ARGUMENT);
static_assert(static_cast<int>(ErrorCode::kUnavailable) + 1 == v1::FAILURE_CODE_UNAVAILABLE);
static_assert(static_cast<int>(ErrorCode::kInternal) + 1 == v1::FAILURE_CODE_INTERNAL);

Result<ErrorCode> error_code(v1::FailureCode code, std::string_view field) {
  if (code < v1::FAILURE_CODE_INVALID_ARGUMENT || code > v1::FAILURE_CODE_INTERNAL) {
    return malformed(field, "a failure code", std::to_string(static_cast<int>(code)));
  }
  return static_cast<ErrorCode>(static_cast<int>(code) - 1);
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

Result<SiteMessage> endorsement(const v1::Endorsement& proto) {
  CONSILIUM_ASSIGN(auto key, key_of(proto.has_key(), proto.key(), "endorsement"));
  CONSILIUM_ASSIGN(auto bytes, commit_bytes(proto.commit(), kMaxSiteMessageBytes, "endorsement.commit"));
  return Endorsement{std::move(key), std::move(bytes)};
}

/// Fills the protobuf message with one alternative of a site's messages.
struct SiteWriter {
  v1::SiteMessage& out;
  void operator()(const SiteHello& hello) const {
    out.mutable_hello()->set_software(clean_name(hello.software));
    const std::size_t count = std::min(hello.datasets.size(), kMaxDatasets);
    for (std::size_t index = 0; index < count; ++index)
      out.mutable_hello()->add_datasets(clean_name(hello.datasets[index]));
  }
  void operator()(const JobAnswer& answer) const {
    auto& proto = *out.mutable_job_answer();
    proto.set_job_id(answer.job_id);
    proto.set_consent(static_cast<v1::JobConsent>(answer.consent));
    proto.set_reason(clean_reason(answer.reason));
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
    out.mutable_failed()->set_reason(clean_reason(failed.reason));
  }
  void operator()(const Masking& masking) const { write(masking, *out.mutable_masking()); }
  void operator()(const KeyAgreement& step) const { write(step, *out.mutable_key_agreement()); }
  void operator()(const Endorsement& endorsement) const {
    *out.mutable_endorsement()->mutable_key() = wire::to_proto(endorsement.key);
    out.mutable_endorsement()->set_commit(endorsement.commit.data(), endorsement.commit.size());
  }
};

}  // namespace

v1::SiteMessage to_proto(const SiteMessage& message) {
  v1::SiteMessage proto;
  std::visit(SiteWriter{proto}, message);
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

}  // namespace consilium::wire
