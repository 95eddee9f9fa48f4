// Messages that the coordinator sends on a site's stream.
#include <spdlog/fmt/fmt.h>

#include <utility>

#include "common/job/job_limits.h"
#include "common/job/job_text.h"
#include "common/wire/conversions.h"
#include "common/wire/limits.h"
#include "common/wire/message_parts.h"
#include "common/wire/text.h"
#include "consilium/v1/federation.pb.h"

namespace consilium::wire {

namespace {

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

/// Fills the protobuf message with one alternative of the coordinator's messages.
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
    out.mutable_session_closed()->set_reason(clean_reason(closed.reason));
  }
  void operator()(const JobEnded& ended) const {
    out.mutable_job_ended()->set_job_id(ended.job_id);
    out.mutable_job_ended()->set_outcome(clean_reason(ended.outcome));
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

}  // namespace

v1::CoordinatorMessage to_proto(const CoordinatorMessage& message) {
  v1::CoordinatorMessage proto;
  std::visit(CoordinatorWriter{proto}, message);
  return proto;
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

}  // namespace consilium::wire
