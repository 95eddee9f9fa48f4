#include "client/transport/refusal.h"

#include <string_view>

#include "common/pki/index.h"

namespace consilium::transport {
namespace {

// OpenSSL's messages, both here and at the coordinator.
constexpr std::string_view kRevoked = "certificate revoked";
constexpr std::string_view kExpired = "certificate has expired";
/// The beginning of errors about the coordinator's certificate (see site_stream.cpp).
constexpr std::string_view kOwnDoing = "the site ends the stream";

constexpr const char* kSignAgain =
    "ask the people who run the consortium's authority to sign the same request again (consilium ca sign), and replace "
    "the old file with the new one; the client needs no restart";
constexpr const char* kNewKey =
    "its key is never accepted again. Ask the people who run the consortium's authority why. To go on, this site needs "
    "a new key (consilium-client enroll) and a roster that lists it";

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace

std::optional<std::string> refusal_in_words(const Attempt& attempt) {
  const std::string whose = "this site's certificate (" + attempt.certificate.string() + ")";
  const std::string& said = attempt.why.message;
  const bool told = attempt.why.code == ErrorCode::kUnauthenticated && !said.starts_with(kOwnDoing);
  if ((told && has(said, kRevoked)) || (!attempt.own && has(attempt.own.error().message, kRevoked)))
    return whose + " was revoked: " + kNewKey;
  const bool ended = attempt.end != 0 && attempt.end <= attempt.now;
  if (ended) return whose + " has expired, on " + pki::to_iso(attempt.end) + ": " + kSignAgain;
  if (told && has(said, kExpired))
    return whose + " has expired by the coordinator's clock; by this machine's clock it is valid until " +
           pki::to_iso(attempt.end) + ": compare the clocks, and " + kSignAgain;
  if (!attempt.shut_out) return std::nullopt;
  return "the coordinator proved its identity and then closed the connection without an answer, as it does if it "
         "refuses a certificate: " +
         whose +
         " was probably revoked after this site's list was written, or has expired by the coordinator's clock. Ask the "
         "people who run the consortium; the coordinator's log has the reason";
}

std::string advice_on_coordinator(const std::string& reason) {
  if (has(reason, kExpired))
    return ": the coordinator's certificate has expired (or this machine's clock is wrong); tell the people "
           "who run the coordinator, because only they can have it signed again";
  if (has(reason, kRevoked))
    return ": the coordinator's certificate was revoked; telephone the people who run the consortium's authority "
           "before you do anything else";
  return {};
}

}  // namespace consilium::transport
