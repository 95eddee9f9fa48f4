#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/job/job_text.h"
#include "common/wire/conversions.h"
#include "common/wire/limits.h"
#include "consilium/v1/federation.pb.h"
#include "tests/catch.h"

using namespace consilium;
using namespace consilium::wire;

namespace {

std::span<const std::byte> bytes_in(const std::string& text) { return std::as_bytes(std::span(text)); }

/// Texts that every field for a reason refuses. Fields for names refuse the empty one too.
const std::vector<std::string>& bad_texts() {
  static const std::vector<std::string> texts = {std::string("\0", 1),
                                                 "line\nbreak",
                                                 "tab\t",
                                                 "\r",
                                                 "\x1b[2J",
                                                 "\x7f",
                                                 "\xC2\x80",
                                                 "\xC2\x9F",
                                                 std::string(kMaxReasonBytes + 1, 'x'),
                                                 std::string(1 << 20, 'x'),
                                                 "job\x01",
                                                 "\b\b\b\b",
                                                 "\x1b]0;title\x07",
                                                 "\xC2\x9B"
                                                 "31m",
                                                 "end\n"};
  return texts;
}

/// Returns the cases of one field: every bad text in it.
template <class Proto>
void add_texts(std::vector<std::pair<std::string, Proto>>& table, const std::string& field, bool is_name,
               const Proto& good, const std::function<void(Proto&, const std::string&)>& set) {
  auto texts = bad_texts();
  if (is_name) texts.insert(texts.end(), {"", std::string(kMaxNameBytes + 1, 'n'), std::string(kMaxReasonBytes, 'n')});
  for (const auto& text : texts) {
    Proto bad = good;
    set(bad, text);
    table.emplace_back(field + " '" + text.substr(0, 10) + "' of " + std::to_string(text.size()), bad);
  }
}

using Key = v1::SessionKey;

Key good_key() { return to_proto(job::SessionKey{"job-1", job::SumKind::kTrain, 3, 1}); }

/// Returns every way in which a session's key can be wrong.
std::vector<std::pair<std::string, Key>> bad_keys() {
  std::vector<std::pair<std::string, Key>> table;
  add_texts<Key>(table, "job_id", true, good_key(), [](Key& key, const std::string& text) { key.set_job_id(text); });
  for (const int kind : {0, 4, 5, 100, -1, 0x7FFFFFFF}) {
    table.emplace_back("kind " + std::to_string(kind), good_key());
    table.back().second.set_kind(static_cast<v1::SumKind>(kind));
  }
  table.emplace_back("attempt 0", good_key());
  table.back().second.set_attempt(0);
  for (const std::uint32_t round : {1'000'001U, 0xFFFFFFFFU}) {
    table.emplace_back("round " + std::to_string(round), good_key());
    table.back().second.set_round(round);
  }
  table.emplace_back("empty", Key());
  return table;
}

job::JobSignature signature() {
  return {"spiffe://lung/coordinator/hub", 1'800'000'000, "a certificate", {std::byte{1}, std::byte{0}}};
}

std::vector<std::pair<std::string, v1::SiteMessage>> bad_site_messages() {
  using M = v1::SiteMessage;
  std::vector<std::pair<std::string, M>> table;
  const job::SessionKey key{"job-1", job::SumKind::kTrain, 3, 1};
  table.emplace_back("nothing in it", M());

  const M hello = to_proto(SiteMessage(SiteHello{"client", {"chest"}}));
  add_texts<M>(table, "software", true, hello,
               [](M& m, const std::string& text) { m.mutable_hello()->set_software(text); });
  add_texts<M>(table, "dataset", true, hello,
               [](M& m, const std::string& text) { m.mutable_hello()->add_datasets(text); });
  table.emplace_back("too many data sets", hello);
  for (std::size_t count = 0; count < kMaxDatasets; ++count) table.back().second.mutable_hello()->add_datasets("d");

  const M answer = to_proto(SiteMessage(JobAnswer{"job-1", JobConsent::kDeclined, "no"}));
  add_texts<M>(table, "answer's job", true, answer,
               [](M& m, const std::string& text) { m.mutable_job_answer()->set_job_id(text); });
  add_texts<M>(table, "answer's reason", false, answer,
               [](M& m, const std::string& text) { m.mutable_job_answer()->set_reason(text); });

  for (const int consent : {0, 4, -1, 1000}) {
    table.emplace_back("consent " + std::to_string(consent), answer);
    table.back().second.mutable_job_answer()->set_consent(static_cast<v1::JobConsent>(consent));
  }

  const M progress = to_proto(SiteMessage(SessionProgress{key, SitePhase::kTraining}));
  for (const int phase : {0, 5, -1, 1000}) {
    table.emplace_back("phase " + std::to_string(phase), progress);
    table.back().second.mutable_progress()->set_phase(static_cast<v1::SitePhase>(phase));
  }
  const M partial = to_proto(SiteMessage(SessionPartial{key}));
  const M failed = to_proto(SiteMessage(SessionFailed{key, ErrorCode::kInternal, "why"}));
  for (const int code : {0, 13, -1, 1000}) {
    table.emplace_back("code " + std::to_string(code), failed);
    table.back().second.mutable_failed()->set_code(static_cast<v1::FailureCode>(code));
  }
  add_texts<M>(table, "failure's reason", false, failed,
               [](M& m, const std::string& text) { m.mutable_failed()->set_reason(text); });

  for (const auto& [what, bad] : bad_keys()) {
    for (const M& good : {progress, partial, failed}) {
      M message = good;
      if (message.has_progress()) *message.mutable_progress()->mutable_key() = bad;
      if (message.has_partial()) *message.mutable_partial()->mutable_key() = bad;
      if (message.has_failed()) *message.mutable_failed()->mutable_key() = bad;
      table.emplace_back(what, message);
    }
  }
  for (const M& good : {progress, partial, failed}) {
    M message = good;
    if (message.has_progress()) message.mutable_progress()->clear_key();
    if (message.has_partial()) message.mutable_partial()->clear_key();
    if (message.has_failed()) message.mutable_failed()->clear_key();
    table.emplace_back("no key", message);
  }
  return table;
}

std::vector<std::pair<std::string, v1::CoordinatorMessage>> bad_coordinator_messages() {
  using M = v1::CoordinatorMessage;
  std::vector<std::pair<std::string, M>> table;
  const job::SessionKey key{"job-1", job::SumKind::kTrain, 3, 1};
  table.emplace_back("nothing in it", M());
  const M offer = to_proto(CoordinatorMessage(JobOffer{"job-1", "{}", signature()}));
  add_texts<M>(table, "offer's job", true, offer,
               [](M& m, const std::string& text) { m.mutable_job_offer()->set_job_id(text); });
  const auto with_signature = [&](const std::string& what, const auto& change) {
    table.emplace_back(what, offer);
    change(*table.back().second.mutable_job_offer()->mutable_signature());
  };
  for (const std::size_t size : {std::size_t{0}, job::kMaxResearcherCertificateBytes + 1}) {
    with_signature("certificate of " + std::to_string(size),
                   [&](v1::JobSignature& s) { s.set_certificate(std::string(size, 'c')); });
  }
  for (const std::size_t size : {std::size_t{0}, job::kMaxJobSignatureBytes + 1}) {
    with_signature("signature of " + std::to_string(size),
                   [&](v1::JobSignature& s) { s.set_signature(std::string(size, 's')); });
  }
  for (const std::string& name : {std::string(job::kMaxCoordinatorBytes + 1, 'c'), std::string("a\nb")}) {
    with_signature("coordinator " + name.substr(0, 9), [&](v1::JobSignature& s) { s.set_coordinator(name); });
  }
  table.emplace_back("no signature", offer);
  table.back().second.mutable_job_offer()->clear_signature();
  table.emplace_back("spec too long", offer);
  table.back().second.mutable_job_offer()->set_spec(std::string(job::kMaxJobBytes + 1, 'x'));

  const M session = to_proto(CoordinatorMessage(SessionOffer{key, std::vector<std::byte>(10), 100}));
  for (const std::size_t size : {std::size_t{0}, job::kMaxOrderBytes + 1}) {
    table.emplace_back("order of " + std::to_string(size), session);
    table.back().second.mutable_session_offer()->set_order(std::string(size, 'o'));
  }
  for (const std::uint64_t size : {kMaxBlobBytes + 1, ~std::uint64_t{0}}) {
    table.emplace_back("model of " + std::to_string(size), session);
    table.back().second.mutable_session_offer()->set_model_bytes(size);
  }
  const M closed = to_proto(CoordinatorMessage(SessionClosed{key, "over"}));
  add_texts<M>(table, "closing reason", false, closed,
               [](M& m, const std::string& text) { m.mutable_session_closed()->set_reason(text); });
  for (const auto& [what, bad] : bad_keys()) {
    table.emplace_back(what, session);
    *table.back().second.mutable_session_offer()->mutable_key() = bad;
    table.emplace_back(what, closed);
    *table.back().second.mutable_session_closed()->mutable_key() = bad;
  }
  const M ended = to_proto(CoordinatorMessage(JobEnded{"job-1", "finished"}));
  add_texts<M>(table, "ended job", true, ended,
               [](M& m, const std::string& text) { m.mutable_job_ended()->set_job_id(text); });
  add_texts<M>(table, "outcome", false, ended,
               [](M& m, const std::string& text) { m.mutable_job_ended()->set_outcome(text); });
  return table;
}

}  // namespace

TEST_CASE("three hundred malformed messages are refused, each with the field's name") {
  const auto of_sites = bad_site_messages();
  const auto of_coordinators = bad_coordinator_messages();
  CHECK(of_sites.size() + of_coordinators.size() >= 300);
  const auto check = [](const std::string& what, const auto& decoded) {
    INFO(what);
    REQUIRE_FALSE(decoded);
    CHECK(decoded.error().code == ErrorCode::kInvalidArgument);
    CHECK(decoded.error().message.find("expected") != std::string::npos);
  };
  for (const auto& [what, message] : of_sites) check(what, from_proto(message));
  for (const auto& [what, message] : of_coordinators) check(what, from_proto(message));
}

TEST_CASE("bytes that are no message are refused: cut off, too long, or text that is no UTF-8") {
  const std::string whole =
      encode(SiteMessage(SessionFailed{{"job-1", job::SumKind::kTrain, 3, 1}, ErrorCode::kInternal, "a reason"}));
  REQUIRE(decode_site_message(bytes_in(whole)));
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(decode_site_message(bytes_in(whole.substr(0, size))));
  std::string foreign = whole;
  foreign[foreign.find("a reason")] = '\xFF';
  CHECK_FALSE(decode_site_message(bytes_in(foreign)));
  CHECK_FALSE(decode_site_message(bytes_in(std::string(kMaxMessageBytes + 1, '\0'))));
  CHECK_FALSE(decode_coordinator_message(bytes_in(std::string(100, '\xFF'))));
}
