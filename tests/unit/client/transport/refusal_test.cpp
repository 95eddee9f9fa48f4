#include "client/transport/refusal.h"

#include "tests/catch.h"

namespace consilium::transport {
namespace {

constexpr std::time_t kNow = 1'800'000'000;
const Result<pki::Identity> kGood = pki::Identity{"lung", pki::Role::kSite, "north"};
const Result<pki::Identity> kOnTheList =
    fail(ErrorCode::kUnauthenticated, "spiffe://lung/site/north: the certificate is refused: certificate revoked");

std::string words(const Error& why, const Result<pki::Identity>& own = kGood, std::time_t end = kNow + 1,
                  bool shut_out = false) {
  return refusal_in_words({why, shut_out, "/etc/consilium/north.pem", end, kNow, own}).value_or("");
}

const Error kClosed{ErrorCode::kUnavailable, "Socket closed"};

}  // namespace

TEST_CASE("a site whose certificate is revoked reads so, whether the coordinator or its own list says it") {
  const std::string put_out = words({ErrorCode::kUnauthenticated,
                                     "its stream ends: spiffe://lung/site/north: the certificate is refused: "
                                     "certificate revoked"});
  for (const std::string& said : {put_out, words(kClosed, kOnTheList)}) {
    CHECK_THAT(said, Catch::StartsWith("this site's certificate (/etc/consilium/north.pem) was revoked"));
    CHECK_THAT(said, Catch::Contains("consilium-client enroll"));
  }
}

TEST_CASE("a site whose certificate has expired reads when, and that the same request is signed again") {
  CHECK_THAT(words(kClosed, kGood, kNow),
             Catch::Contains("has expired, on 2027-01-15T08:00:00Z") && Catch::Contains("consilium ca sign"));
  CHECK_THAT(words({ErrorCode::kUnauthenticated, "x: certificate has expired"}),
             Catch::Contains("has expired by the coordinator's clock"));
}

TEST_CASE("a site that is shut out without a word reads what that may mean, and is never sure of it") {
  CHECK(words(kClosed).empty());
  CHECK_THAT(words(kClosed, kGood, kNow + 1, true),
             Catch::Contains("was probably revoked") && Catch::Contains("or has expired by the coordinator's clock"));
}

TEST_CASE("what is wrong with the coordinator's certificate isn't told of the site's") {
  CHECK(words({ErrorCode::kUnauthenticated, "the site ends the stream: x: certificate revoked"}).empty());
  CHECK_THAT(advice_on_coordinator("x: certificate has expired"),
             Catch::Contains("the coordinator's certificate has expired"));
  CHECK_THAT(advice_on_coordinator("x: certificate revoked"), Catch::Contains("telephone the people"));
  CHECK(advice_on_coordinator("another root").empty());
}

}  // namespace consilium::transport
