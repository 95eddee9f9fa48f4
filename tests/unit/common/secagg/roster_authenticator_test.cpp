#include "common/secagg/roster_authenticator.h"

#include "common/secagg/transcript.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/certified_consortium.h"
#include "tests/unit/common/secagg/refusal.h"

namespace consilium::secagg {
namespace {

using Catch::Contains;
using Catch::StartsWith;
using namespace std::chrono_literals;

/// Returns site 0's answer if site 1 takes part with `certificate` and `signer` has signed its advert.
std::string refusal_of(const CertifiedConsortium& lung, const std::string& certificate, const pki::Signer& signer) {
  ConsortiumBench bench(lung, {});
  AdvertList list;
  for (std::size_t i = 0; i < bench.size(); ++i) list.adverts.push_back(bench.site(i).advert());
  list.adverts[1].certificate = certificate;
  list.adverts[1].signature = signer.sign(advert_statement(BenchSetup{}.context, list.adverts[1])).value();
  return refusal(bench, 0, list);
}

}  // namespace

TEST_CASE("another root's certificate of a key on the roster is refused") {
  CertifiedConsortium lung(3);
  CertifiedConsortium foreign(1);
  const std::string certificate = foreign.certify(lung.request(1), Consortium::name(1));
  CHECK_THAT(refusal_of(lung, certificate, lung.signer(1)),
             StartsWith("advert of site-001: ") && Contains("another authority"));
}

TEST_CASE("an expired certificate is refused, and one that was revoked since") {
  CertifiedConsortium lung(3);
  const std::string expired = lung.certify(lung.request(1), Consortium::name(1), -1s);
  CHECK_THAT(refusal_of(lung, expired, lung.signer(1)), StartsWith("advert of site-001: ") && Contains("expired"));

  ConsortiumBench bench(lung, {});
  bench.advertise();
  REQUIRE(lung.authority().revoke(pki::Role::kSite, Consortium::name(1)));
  CHECK_THAT(refusal(bench, 0, bench.next<AdvertList>(0)), StartsWith("advert of site-001: ") && Contains("revoked"));
}

TEST_CASE("a revocation list that has ended lets no certificate into a sum, until a new one lies there") {
  CertifiedConsortium lung(3);
  REQUIRE(lung.authority().renew_list(std::chrono::days{0}));
  CHECK_THAT(refusal_of(lung, lung.certificate(1), lung.signer(1)), Contains("crl.pem: the revocation list ended 20"));
  REQUIRE(lung.authority().renew_list(std::chrono::days{5}));
  CHECK(refusal_of(lung, lung.certificate(1), lung.signer(1)) == "ANSWERED");
}

TEST_CASE("a hospital that the authority minted is on no roster: neither a second of the name nor a new one") {
  CertifiedConsortium lung(3);
  REQUIRE(lung.authority().revoke(pki::Role::kSite, Consortium::name(1)));
  const auto second = lung.fresh_key(Consortium::name(1));
  const std::string certificate = lung.certify(second.request, Consortium::name(1));
  CHECK_THAT(refusal_of(lung, certificate, *second.signer),
             StartsWith("advert of site-001: the roster names another key for site-001: expected ") &&
                 Contains(crypto::to_hex(lung.roster().at("site-001"))));
  const auto minted = lung.fresh_key("minted");
  const auto refused = lung.authenticator().check_certificate("minted", lung.certify(minted.request, "minted"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kUnauthenticated);
  CHECK(refused.error().message == "minted isn't on the roster");
}

TEST_CASE("a certificate speaks for its own site alone, though a roster gave two of them one key") {
  CertifiedConsortium lung(2);
  job::Roster roster = lung.roster();
  roster["site-000"] = roster["site-001"];
  const auto refused = lung.authenticator_with(roster).check_certificate("site-000", lung.certificate(1));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "the certificate is that of site-001, expected site-000");
  CHECK(lung.authenticator_with(roster).check_certificate("site-001", lung.certificate(1)));
}

TEST_CASE("only certificates of sites count, and only certificates") {
  CertifiedConsortium lung(2);
  // The authority signs no key under a second name. It signs a revoked key again if the caller asks for it.
  REQUIRE(lung.authority().revoke(pki::Role::kSite, "site-001"));
  const std::string researcher = lung.authority()
                                     .sign(lung.request(1), {"lung", pki::Role::kResearcher, "site-001"}, {}, 1h,
                                           pki::Authority::RevokedKey::kSignAgain)
                                     .value();
  CHECK(lung.authenticator().check_certificate("site-001", researcher).error().code == ErrorCode::kPermissionDenied);
  CHECK_FALSE(lung.authenticator().check_certificate("site-001", "north"));
  CHECK_FALSE(lung.authenticator().check_certificate("site-001", lung.certificate(1) + lung.certificate(0)));
}

TEST_CASE("a site's own renewed certificate isn't the one that it advertised") {
  CertifiedConsortium lung(3);
  ConsortiumBench bench(lung, {});
  bench.advertise();
  auto list = bench.next<AdvertList>(0);
  list.adverts[0].certificate = lung.certify(lung.request(0), Consortium::name(0));  // same key, so the signature holds
  REQUIRE(list.adverts[0].certificate != lung.certificate(0));
  CHECK(refusal(bench, 0, list) == "adverts: this site's own advert was changed");
}

TEST_CASE("another site's renewed certificate of the key on the roster is good") {
  CertifiedConsortium lung(3);
  const std::string renewed = lung.certify(lung.request(1), Consortium::name(1));
  CHECK(refusal_of(lung, renewed, lung.signer(1)) == "ANSWERED");
}

TEST_CASE("a signature of another key is none") {
  const CertifiedConsortium lung(2);
  const auto message = std::as_bytes(std::span("this"));
  const auto signature = lung.signer(0).sign(message).value();
  CHECK(lung.authenticator().verify(lung.certificate(0), message, signature));
  CHECK_FALSE(lung.authenticator().verify(lung.certificate(1), message, signature));
  CHECK_FALSE(lung.authenticator().verify(lung.certificate(0), std::as_bytes(std::span("that")), signature));
}

}  // namespace consilium::secagg
