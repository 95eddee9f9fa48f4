#include "common/pki/trust.h"

#include <string>

#include "common/crypto/x509.h"
#include "common/pki/authority.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using Catch::Contains;
using consilium::ErrorCode;
using namespace consilium::pki;
using namespace std::chrono_literals;

namespace {

const std::vector<Role> kEveryone(kRoles.begin(), kRoles.end());

struct Consortium {
  explicit Consortium(std::chrono::days lists = std::chrono::days{5})
      : authority(Authority::create(folder / "ca", "lung", std::chrono::days{10}, lists).value()) {}

  TemporaryFolder folder;
  Authority authority;
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

TEST_CASE("a list that has ended lets nobody in, and says which file, when it ended and whom to ask") {
  Consortium lung;
  const std::string pem = lung.certificate({"lung", Role::kSite, "north"});
  const std::time_t end = lung.authority.list_state().value().end;
  const auto now = std::make_shared<std::time_t>(end - 1);
  const auto store = TrustStore::open(lung.authority.root_certificate(), lung.authority.revocation_list(),
                                      {{}, [now] { return *now; }})
                         .value();
  // Certificates outlast the list here, so that only the list decides.
  const std::string lasting = lung.certificate({"lung", Role::kSite, "south"}, std::chrono::days{9});
  CHECK(store->authenticate(lasting, kEveryone));
  const auto expired = store->authenticate(pem, kEveryone);  // certificates are checked against the same clock
  REQUIRE_FALSE(expired);
  CHECK_THAT(expired.error().message, Contains("certificate has expired"));
  *now = end;
  const auto refused = store->authenticate(lasting, kEveryone);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kFailedPrecondition);
  CHECK_THAT(refused.error().message, Contains(lung.authority.revocation_list().string()) &&
                                          Contains("ended " + to_iso(end)) && Contains("consilium ca renew-list"));
  CHECK_FALSE(store->version());
  CHECK_FALSE(TrustStore::open(lung.authority.root_certificate(), lung.authority.revocation_list(),
                               {{}, [now] { return *now; }}));

  REQUIRE(lung.authority.renew_list(std::chrono::days{9}));
  CHECK(store->authenticate(lasting, kEveryone));
}

TEST_CASE("the end of a list is warned of from seven days before, once a day") {
  Consortium lung(std::chrono::days{9});
  const std::time_t end = lung.authority.list_state().value().end;
  constexpr std::time_t kDay = 86400;
  const auto now = std::make_shared<std::time_t>(end - 7 * kDay - 1);
  const auto store = TrustStore::open(lung.authority.root_certificate(), lung.authority.revocation_list(),
                                      {{}, [now] { return *now; }})
                         .value();
  CHECK_FALSE(store->warning_due());
  *now = end - 7 * kDay;
  const auto first = store->warning_due();
  REQUIRE(first);
  CHECK_THAT(*first, Contains(lung.authority.revocation_list().string()) && Contains("ends " + to_iso(end)) &&
                         Contains("consilium ca renew-list"));
  CHECK_FALSE(store->warning_due());
  *now += kDay - 1;
  CHECK_FALSE(store->warning_due());
  *now += 1;
  CHECK(store->warning_due());
  *now = end;
  const auto ended = store->warning_due();
  REQUIRE(ended);
  CHECK_THAT(*ended, Contains("ended " + to_iso(end)));
  REQUIRE(lung.authority.renew_list(std::chrono::days{9}));
  *now = end - 8 * kDay;
  CHECK_FALSE(store->warning_due());
}

TEST_CASE("without a list there is no end to warn of") {
  Consortium lung;
  const auto store = TrustStore::open(lung.authority.root_certificate(), {}).value();
  CHECK_FALSE(store->warning_due());
  CHECK(store->authenticate(lung.certificate({"lung", Role::kSite, "north"}), kEveryone));
}

TEST_CASE("an older list than the last one seen is refused over restarts, and both numbers are named") {
  Consortium lung;
  const auto list = lung.folder / "copy.pem";
  const std::filesystem::path memory = lung.folder / "state/nested";
  const auto open = [&] { return TrustStore::open(lung.authority.root_certificate(), list, TrustOptions{memory}); };
  const std::string first = text_of(lung.authority.revocation_list());
  const std::string pem = lung.certificate({"lung", Role::kSite, "north"});
  REQUIRE(lung.authority.revoke(Role::kSite, "north"));
  const std::string second = text_of(lung.authority.revocation_list());

  write_text(list, first);
  CHECK(open().value()->authenticate(pem, kEveryone));  // the first list seen is accepted as it is
  write_text(list, second);
  REQUIRE(open());
  write_text(list, first);
  const auto older = open();
  REQUIRE_FALSE(older);
  CHECK(older.error().code == ErrorCode::kFailedPrecondition);
  CHECK_THAT(older.error().message, Contains(list.string()) && Contains("revocation list 1, older than list 2"));

  // A running store notices what another store of the same folder has seen.
  write_text(list, second);
  const auto running = open().value();
  REQUIRE(lung.authority.renew_list({}));
  const std::string third = text_of(lung.authority.revocation_list());
  write_text(list, third);
  REQUIRE(open());
  write_text(list, second);
  CHECK_FALSE(running->version());
  write_text(list, third);
  CHECK(running->version());
}

TEST_CASE("the lists of two authorities in one folder are remembered apart") {
  Consortium lung;
  Consortium heart;
  const TemporaryFolder memory;
  REQUIRE(lung.authority.renew_list({}));
  REQUIRE(TrustStore::open(lung.authority.root_certificate(), lung.authority.revocation_list(),
                           TrustOptions{memory.path()}));
  CHECK(TrustStore::open(heart.authority.root_certificate(), heart.authority.revocation_list(),
                         TrustOptions{memory.path()}));
}

TEST_CASE("a memory of lists that can't be read or written lets nobody in, and is named") {
  Consortium lung;
  const TemporaryFolder memory;
  const auto open = [&](const std::filesystem::path& folder) {
    return TrustStore::open(lung.authority.root_certificate(), lung.authority.revocation_list(), TrustOptions{folder});
  };
  REQUIRE(open(memory.path()));
  const auto file = std::filesystem::directory_iterator(memory.path())->path();
  for (const std::string bad :
       {"", "{", "[]", "7", R"({"version": 2, "number": 1})", R"({"version": 1})", R"({"version": 1, "number": -1})",
        R"({"version": 1, "number": "1"})", R"({"version": 1, "number": 1e30})"}) {
    CAPTURE(bad);
    write_text(file, bad);
    const auto refused = open(memory.path());
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Contains(file.string()));
  }
  write_text(file, std::string(5000, ' '));
  CHECK_FALSE(open(memory.path()));
  CHECK_FALSE(open(file));  // no folder
}

TEST_CASE("a list without an end is refused") {
  using namespace consilium::crypto;
  Consortium lung;
  const auto list = read_revocation_list(text_of(lung.authority.revocation_list())).value();
  const auto key = read_private_key(text_of(lung.folder / "ca/root.key")).value();
  const RevocationListPtr endless(X509_CRL_new());
  const auto root = read_certificate(text_of(lung.authority.root_certificate())).value();
  REQUIRE(X509_CRL_set_version(endless.get(), X509_CRL_VERSION_2) == 1);
  REQUIRE(X509_CRL_set_issuer_name(endless.get(), X509_get_subject_name(root.get())) == 1);
  REQUIRE(X509_CRL_set1_lastUpdate(endless.get(), X509_CRL_get0_lastUpdate(list.get())) == 1);
  for (int i = 0; i < X509_CRL_get_ext_count(list.get()); ++i) {
    REQUIRE(X509_CRL_add_ext(endless.get(), X509_CRL_get_ext(list.get(), i), -1) == 1);
  }
  REQUIRE(X509_CRL_sign(endless.get(), key.get(), EVP_sha256()) > 0);
  write_text(lung.folder / "endless.pem", to_pem(endless.get()).value());
  const auto refused = TrustStore::open(lung.authority.root_certificate(), lung.folder / "endless.pem");
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Contains("has no end") && Contains("endless.pem"));
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
