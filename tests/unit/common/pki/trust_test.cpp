#include "common/pki/trust.h"

#include <catch2/catch.hpp>
#include <string>

#include "common/pki/authority.h"
#include "tests/unit/common/pki/temporary_folder.h"

using consilium::ErrorCode;
using namespace consilium::pki;
using namespace std::chrono_literals;

namespace {

const std::vector<Role> kEveryone = {Role::kCoordinator, Role::kSite, Role::kResearcher};

struct Consortium {
  TemporaryFolder folder;
  Authority authority = Authority::create(folder / "ca", "lung", std::chrono::days{10}).value();
  int keys = 0;

  std::string certificate(const Identity& identity, std::chrono::seconds validity = 1h) {
    const auto request = create_key_and_request(folder / (std::to_string(++keys) + ".key"), identity).value();
    const std::vector<std::string> hosts =
        identity.role == Role::kCoordinator ? std::vector<std::string>{"localhost"} : std::vector<std::string>{};
    return authority.sign(request, identity, hosts, validity).value();
  }
};

}  // namespace

TEST_CASE("the root vouches for its certificates, each in its role") {
  Consortium lung;
  const auto store = TrustStore::open(lung.authority.root_certificate(), lung.authority.revocation_list()).value();
  for (const Role role : kEveryone) {
    const Identity identity{"lung", role, "one"};
    const std::string pem = lung.certificate(identity);
    CHECK(store->authenticate(pem, kEveryone).value() == identity);
    CHECK(store->authenticate(pem, {role}));
    CHECK(store->authenticate(pem, {}).error().code == ErrorCode::kPermissionDenied);
  }
}

TEST_CASE("an expired certificate, a foreign root and the root itself prove nothing") {
  Consortium lung;
  Consortium foreign;
  const auto store = TrustStore::open(lung.authority.root_certificate(), lung.authority.revocation_list()).value();
  const auto expired = store->authenticate(lung.certificate({"lung", Role::kSite, "north"}, -1s), kEveryone);
  REQUIRE_FALSE(expired);
  CHECK(expired.error().code == ErrorCode::kUnauthenticated);
  CHECK(expired.error().message.find("expired") != std::string::npos);
  CHECK(store->authenticate(foreign.certificate({"lung", Role::kSite, "north"}), kEveryone).error().code ==
        ErrorCode::kUnauthenticated);
  CHECK_FALSE(store->authenticate(text_of(lung.authority.root_certificate()), kEveryone));
  CHECK_FALSE(store->authenticate("", kEveryone));
}

TEST_CASE("a revocation counts from the moment its list is there") {
  Consortium lung;
  const std::string pem = lung.certificate({"lung", Role::kSite, "north"});
  const std::string other = lung.certificate({"lung", Role::kSite, "south"});
  const auto store = TrustStore::open(lung.authority.root_certificate(), lung.authority.revocation_list()).value();
  REQUIRE(store->authenticate(pem, kEveryone));
  const auto before = store->version().value();
  CHECK(store->version().value() == before);
  REQUIRE(lung.authority.revoke(Role::kSite, "north"));
  CHECK(store->version().value() > before);
  const auto refused = store->authenticate(pem, kEveryone);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("revoked") != std::string::npos);
  CHECK(store->authenticate(other, kEveryone));
}

TEST_CASE("without a readable list of the root's, not older than the last, nobody is let in") {
  Consortium lung;
  Consortium foreign;
  const std::string pem = lung.certificate({"lung", Role::kSite, "north"});
  const auto list = lung.folder / "copy.pem";
  const std::string first = text_of(lung.authority.revocation_list());
  REQUIRE(lung.authority.revoke(Role::kResearcher, "none").error().code == ErrorCode::kNotFound);
  lung.certificate({"lung", Role::kSite, "south"});
  REQUIRE(lung.authority.revoke(Role::kSite, "south"));
  const std::string second = text_of(lung.authority.revocation_list());

  CHECK_FALSE(TrustStore::open(lung.authority.root_certificate(), list));
  write_text(list, second);
  const auto store = TrustStore::open(lung.authority.root_certificate(), list).value();
  REQUIRE(store->authenticate(pem, kEveryone));

  write_text(list, first);
  const auto older = store->authenticate(pem, kEveryone);
  REQUIRE_FALSE(older);
  CHECK(older.error().message.find("older") != std::string::npos);
  write_text(list, text_of(foreign.authority.revocation_list()));
  CHECK_FALSE(store->authenticate(pem, kEveryone));
  write_text(list, second.substr(0, second.size() / 2));
  CHECK_FALSE(store->authenticate(pem, kEveryone));
  std::filesystem::remove(list);
  CHECK_FALSE(store->authenticate(pem, kEveryone));
  CHECK_FALSE(store->version());
  write_text(list, second);
  CHECK(store->authenticate(pem, kEveryone));
}

TEST_CASE("a host is covered by the certificate's names alone") {
  Consortium lung;
  const Identity main{"lung", Role::kCoordinator, "main"};
  const auto request = create_key_and_request(lung.folder / "main.key", main).value();
  const auto pem = lung.authority.sign(request, main, {"fl.example.org", "127.0.0.1", "::1"}, 1h).value();
  CHECK(check_certificate_host(pem, "fl.example.org"));
  CHECK(check_certificate_host(pem, "FL.example.org"));
  CHECK(check_certificate_host(pem, "127.0.0.1"));
  CHECK(check_certificate_host(pem, "::1"));
  for (const std::string host :
       {"", "example.org", "main", "lung", "127.0.0.2", "xfl.example.org", "fl.example.org.evil"}) {
    CAPTURE(host);
    CHECK_FALSE(check_certificate_host(pem, host));
  }
}

TEST_CASE("a key and a certificate must belong together") {
  Consortium lung;
  const std::string pem = lung.certificate({"lung", Role::kSite, "north"});
  write_text(lung.folder / "north.pem", pem);
  CHECK(check_key_pair(lung.folder / "north.pem", lung.folder / "1.key").value() == pem);
  lung.certificate({"lung", Role::kSite, "south"});
  CHECK_FALSE(check_key_pair(lung.folder / "north.pem", lung.folder / "2.key"));
  CHECK_FALSE(check_key_pair(lung.folder / "1.key", lung.folder / "1.key"));
}
