#include "common/pki/authority.h"

#include <sys/stat.h>

#include <set>
#include <string>

#include "common/crypto/x509.h"
#include "common/pki/enrollment.h"
#include "common/pki/signer.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using Catch::Contains;
using consilium::ErrorCode;
using namespace consilium::pki;
using namespace std::chrono_literals;

namespace {

constexpr auto kDay = std::chrono::days{1};

unsigned mode_of(const std::filesystem::path& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777u;
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

TEST_CASE("a new authority keeps its key to itself and is never made over another") {
  const TemporaryFolder folder;
  const auto authority = Authority::create(folder / "ca", "lung", 10 * kDay);
  REQUIRE(authority);
  CHECK(authority->consortium() == "lung");
  CHECK(mode_of(folder / "ca") == 0700);
  CHECK(mode_of(folder / "ca/root.key") == 0600);
  CHECK(mode_of(folder / "ca/issued") == 0700);
  CHECK(std::filesystem::exists(authority->revocation_list()));

  const std::string before = text_of(folder / "ca/root.key");
  const auto again = Authority::create(folder / "ca", "lung", 10 * kDay);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kAlreadyExists);
  CHECK(text_of(folder / "ca/root.key") == before);
}

TEST_CASE("the root may sign certificates and lists, and no further authority") {
  const TemporaryFolder folder;
  REQUIRE(Authority::create(folder / "ca", "lung", 10 * kDay));
  const auto root = consilium::crypto::read_certificate(text_of(folder / "ca/root.pem")).value();
  CHECK(X509_check_ca(root.get()) == 1);
  CHECK(X509_get_pathlen(root.get()) == 0);
  CHECK(X509_get_key_usage(root.get()) == (KU_KEY_CERT_SIGN | KU_CRL_SIGN));
  CHECK_FALSE(identity_of_certificate(text_of(folder / "ca/root.pem")));
}

TEST_CASE("a certificate says what the authority decided, not what the request asked for") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", 10 * kDay).value();
  const auto request = create_key_and_request(folder / "x.key", {"other", Role::kCoordinator, "boss"}).value();
  const Identity north{"lung", Role::kSite, "north"};
  const auto pem = authority.sign(request, north, {}, kDay);
  REQUIRE(pem);
  CHECK(identity_of_certificate(*pem).value() == north);
  CHECK(pem->find("boss") == std::string::npos);
  const auto certificate = consilium::crypto::read_certificate(*pem).value();
  CHECK(X509_check_ca(certificate.get()) == 0);
  CHECK(X509_get_extended_key_usage(certificate.get()) == XKU_SSL_CLIENT);
  CHECK(X509_get_key_usage(certificate.get()) == KU_DIGITAL_SIGNATURE);
  CHECK(text_of(folder / "ca/issued/site-north.pem") == *pem);
}

TEST_CASE("only a coordinator's certificate carries hosts, and it must") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", 10 * kDay).value();
  const auto request = create_key_and_request(folder / "x.key", {"lung", Role::kCoordinator, "main"}).value();
  const Identity main{"lung", Role::kCoordinator, "main"};
  const auto pem = authority.sign(request, main, {"fl.example.org", "127.0.0.1", "::1"}, kDay);
  REQUIRE(pem);
  CHECK(identity_of_certificate(*pem).value() == main);
  const auto certificate = consilium::crypto::read_certificate(*pem).value();
  CHECK(X509_get_extended_key_usage(certificate.get()) == XKU_SSL_SERVER);

  const auto forgotten = authority.sign(request, main, {}, kDay);
  REQUIRE_FALSE(forgotten);
  CHECK_THAT(forgotten.error().message, Contains("e.g. --host fl.example.org"));
  CHECK_FALSE(authority.sign(request, {"lung", Role::kSite, "north"}, {"fl.example.org"}, kDay));
  for (const std::string host : {"", "*.example.org", "a b", "fl..org", "-a.org", "a-.org", "300.1.1.1",
                                 "fl.example.org.", "a/b", "a\nb", "URI:x", "1.2.3.4/24"}) {
    CAPTURE(host);
    CHECK_FALSE(authority.sign(request, main, {host}, kDay));
  }
  CHECK_FALSE(authority.sign(request, main, {std::string("a\0.org", 6)}, kDay));
}

TEST_CASE("what an authority must not sign is refused and leaves no trace") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", 10 * kDay).value();
  const auto request = create_key_and_request(folder / "x.key", {"lung", Role::kSite, "north"}).value();
  CHECK(authority.sign(request, {"other", Role::kSite, "north"}, {}, kDay).error().code == ErrorCode::kInvalidArgument);
  CHECK_FALSE(authority.sign(request, {"lung", Role::kSite, "../../north"}, {}, kDay));
  CHECK_FALSE(authority.sign(request, {"lung", Role::kSite, ""}, {}, kDay));
  CHECK(authority.sign(request, {"lung", Role::kSite, "north"}, {}, 11 * kDay).error().message.find("outlive") !=
        std::string::npos);
  CHECK_FALSE(authority.sign("", {"lung", Role::kSite, "north"}, {}, kDay));
  CHECK(authority.list().value().empty());
}

TEST_CASE("a name in force has one key: renewed with the same, refused for another until it is revoked") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", 10 * kDay).value();
  const Identity north{"lung", Role::kSite, "north"};
  const auto first = create_key_and_request(folder / "a.key", north).value();
  const auto second = create_key_and_request(folder / "b.key", north).value();
  REQUIRE(authority.sign(first, north, {}, kDay));
  REQUIRE(authority.sign(first, north, {}, 2 * kDay));  // its own key again
  const auto refused = authority.sign(second, north, {}, kDay);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kAlreadyExists);
  CHECK(refused.error().message.find("consilium ca revoke --role site --name north") != std::string::npos);
  REQUIRE(authority.revoke(Role::kSite, "north"));
  CHECK(authority.sign(second, north, {}, kDay));

  std::set<std::string> serials;
  const auto listed = authority.list().value();
  for (const auto& issued : listed) {
    CHECK(issued.serial.size() == 32);
    serials.insert(issued.serial);
  }
  CHECK(serials.size() == 3);
}

TEST_CASE("revocation marks every certificate of the identity and writes the list again") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", 10 * kDay).value();
  for (const std::string name : {"north", "south"}) {
    const Identity site{"lung", Role::kSite, name};
    REQUIRE(authority.sign(create_key_and_request(folder / (name + ".key"), site).value(), site, {}, kDay));
  }
  const std::string before = text_of(authority.revocation_list());
  REQUIRE(authority.revoke(Role::kSite, "north"));
  CHECK(text_of(authority.revocation_list()) != before);
  CHECK(authority.revoke(Role::kResearcher, "south").error().code == ErrorCode::kNotFound);

  const auto reopened = Authority::open(folder / "ca").value();
  const auto issued = reopened.list().value();
  REQUIRE(issued.size() == 2);
  CHECK(issued[0].revoked);
  CHECK_FALSE(issued[1].revoked);
}

TEST_CASE("a key that was revoked is signed again only when that is asked for") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", 10 * kDay).value();
  const Identity north{"lung", Role::kSite, "north"};
  const Identity ada{"lung", Role::kResearcher, "ada"};
  const auto request = create_key_and_request(folder / "a.key", north).value();
  REQUIRE(authority.sign(request, north, {}, kDay));
  REQUIRE(authority.revoke(Role::kSite, "north"));
  const std::string when = text_of(folder / "ca/index.json");
  for (const Identity& identity : {north, ada}) {
    const auto refused = authority.sign(request, identity, {}, kDay);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kFailedPrecondition);
    CHECK_THAT(refused.error().message,
               Contains("was revoked on 20") && Contains("site 'north'") && Contains("--again"));
  }
  CHECK(text_of(folder / "ca/index.json") == when);
  CHECK(authority.sign(request, north, {}, kDay, Authority::RevokedKey::kSignAgain));
}

TEST_CASE("a key in force speaks for one name alone, whatever is asked for") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", 10 * kDay).value();
  const Identity north{"lung", Role::kSite, "north"};
  const auto request = create_key_and_request(folder / "a.key", north).value();
  REQUIRE(authority.sign(request, north, {}, kDay));
  for (const Identity& other : {Identity{"lung", Role::kSite, "south"}, Identity{"lung", Role::kResearcher, "north"}}) {
    for (const auto revoked_key : {Authority::RevokedKey::kRefuse, Authority::RevokedKey::kSignAgain}) {
      const auto refused = authority.sign(request, other, {}, kDay, revoked_key);
      REQUIRE_FALSE(refused);
      CHECK(refused.error().code == ErrorCode::kAlreadyExists);
      CHECK_THAT(refused.error().message, Contains("site 'north'") && Contains("make a new key"));
    }
  }
  CHECK(authority.sign(request, north, {}, 2 * kDay));
}

TEST_CASE("each list has the next number and its own end, never after the root's") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", 10 * kDay, 3 * kDay).value();
  const auto listed = [&] {
    return consilium::crypto::read_revocation_list(text_of(authority.revocation_list())).value();
  };
  const auto ends_in_days = [&](const Authority::ListState& state, std::time_t days) {
    const auto wanted = std::time(nullptr) + days * 86400;
    std::tm parts{};
    REQUIRE(ASN1_TIME_to_tm(X509_CRL_get0_nextUpdate(listed().get()), &parts) == 1);
    CHECK(timegm(&parts) == state.end);
    return state.end > wanted - 100 && state.end <= wanted;
  };
  const auto first = authority.list_state().value();
  CHECK(first.number == 1);
  CHECK(ends_in_days(first, 3));
  const auto renewed = authority.renew_list({}).value();
  CHECK(renewed.number == 2);
  CHECK(ends_in_days(renewed, 3));
  CHECK(ends_in_days(authority.renew_list(5 * kDay).value(), 5));
  const Identity north{"lung", Role::kSite, "north"};
  REQUIRE(authority.sign(create_key_and_request(folder / "a.key", north).value(), north, {}, kDay));
  REQUIRE(authority.revoke(Role::kSite, "north"));
  CHECK(ends_in_days(authority.list_state().value(), 5));
  CHECK(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(listed().get())) == 1);
  const auto longest = authority.renew_list(40 * kDay).value();
  CHECK(ends_in_days(longest, 10));
  CHECK(longest.number == 5);
  CHECK(authority.renew_list({}, 41)->number == 42);
  CHECK(authority.renew_list({}, 7)->number == 43);
}

TEST_CASE("an authority of before lists had an end goes on") {
  const TemporaryFolder folder;
  REQUIRE(Authority::create(folder / "ca", "lung", 10 * kDay));
  write_text(folder / "ca/index.json", R"({"version": 1, "consortium": "lung", "list_number": 4, "certificates": []})");
  auto authority = Authority::open(folder / "ca").value();
  CHECK(authority.list_state()->number == 4);
  CHECK(authority.list_state()->end == 0);
  CHECK(authority.renew_list({})->number == 5);
  CHECK(authority.list_state()->end != 0);
}

TEST_CASE("a folder without an authority, or with a broken index, is named in the error") {
  const TemporaryFolder folder;
  const auto none = Authority::open(folder / "ca");
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::kNotFound);
  CHECK(none.error().message.find("consilium ca init") != std::string::npos);
  REQUIRE(Authority::create(folder / "ca", "lung", 10 * kDay));
  const std::string good = text_of(folder / "ca/index.json");
  for (const std::string& bad :
       {std::string("{}"), std::string("["), std::string(), good.substr(0, good.size() / 2),
        std::string(R"({"version": 2, "consortium": "lung", "list_number": 1, "certificates": []})"),
        std::string(R"({"version": 1, "consortium": "../x", "list_number": 1, "certificates": []})"),
        std::string(R"({"version": 1, "consortium": "lung", "list_number": "x", "certificates": []})"),
        std::string(R"({"version": 1, "consortium": "lung", "list_number": 1, "list_days": -1, "certificates": []})"),
        std::string(R"({"version": 1, "consortium": "lung", "list_number": 1, "list_end": "x", "certificates": []})"),
        std::string(R"({"version": 1, "consortium": "lung", "list_number": 1, "certificates": [{}]})")}) {
    CAPTURE(bad);
    write_text(folder / "ca/index.json", bad);
    const auto broken = Authority::open(folder / "ca");
    REQUIRE_FALSE(broken);
    CHECK(broken.error().message.find("index.json") != std::string::npos);
  }
}

TEST_CASE("an authority whose key others may read does not sign") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", 10 * kDay).value();
  const auto request = create_key_and_request(folder / "x.key", {"lung", Role::kSite, "north"}).value();
  std::filesystem::permissions(folder / "ca/root.key", std::filesystem::perms::group_read,
                               std::filesystem::perm_options::add);
  const auto refused = authority.sign(request, {"lung", Role::kSite, "north"}, {}, kDay);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kPermissionDenied);
  CHECK(refused.error().message.find("chmod 600") != std::string::npos);
}

TEST_CASE("a key is born private and never overwritten, not even through a link") {
  const TemporaryFolder folder;
  const Identity north{"lung", Role::kSite, "north"};
  const auto done = enroll(north, folder / "state/keys");
  REQUIRE(done);
  CHECK(mode_of(folder / "state/keys") == 0700);
  CHECK(mode_of(done->key) == 0600);
  const std::string key = text_of(done->key);
  const auto again = enroll(north, folder / "state/keys");
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kAlreadyExists);
  CHECK(text_of(done->key) == key);

  write_text(folder / "victim", "precious");
  std::filesystem::create_symlink(folder / "victim", folder / "link.key");
  CHECK_FALSE(create_key_and_request(folder / "link.key", north));
  std::filesystem::create_symlink(folder / "absent", folder / "dangling.key");
  CHECK_FALSE(create_key_and_request(folder / "dangling.key", north));
  CHECK(text_of(folder / "victim") == "precious");
  CHECK_FALSE(std::filesystem::exists(folder / "absent"));
  CHECK_FALSE(enroll({"lung", Role::kSite, "../north"}, folder / "state"));
}

TEST_CASE("a signature verifies for its message and its certificate alone") {
  const TemporaryFolder folder;
  auto authority = Authority::create(folder / "ca", "lung", 10 * kDay).value();
  const Identity north{"lung", Role::kSite, "north"};
  const Identity south{"lung", Role::kSite, "south"};
  const auto north_pem =
      authority.sign(create_key_and_request(folder / "n.key", north).value(), north, {}, kDay).value();
  const auto south_pem =
      authority.sign(create_key_and_request(folder / "s.key", south).value(), south, {}, kDay).value();
  const auto signer = make_file_signer(folder / "n.key").value();
  const std::string message = "round 3";
  auto signature = signer->sign(bytes_of(message)).value();
  CHECK(verify(north_pem, bytes_of(message), signature));
  CHECK(verify(south_pem, bytes_of(message), signature).error().code == ErrorCode::kUnauthenticated);
  CHECK(verify(north_pem, bytes_of("round 4"), signature).error().code == ErrorCode::kUnauthenticated);
  CHECK_FALSE(verify(north_pem, bytes_of(message), {}));
  CHECK_FALSE(verify(north_pem, bytes_of(message), std::vector<std::byte>(1000)));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    signature[i] ^= std::byte{1};
    CHECK_FALSE(verify(north_pem, bytes_of(message), signature));
    signature[i] ^= std::byte{1};
  }
}

TEST_CASE("a signer refuses a key that others may read, and what is no key") {
  const TemporaryFolder folder;
  REQUIRE(create_key_and_request(folder / "n.key", {"lung", Role::kSite, "north"}));
  CHECK(make_file_signer(folder / "n.key"));
  std::filesystem::permissions(folder / "n.key", std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  CHECK(make_file_signer(folder / "n.key").error().code == ErrorCode::kPermissionDenied);
  CHECK(make_file_signer(folder / "absent.key").error().code == ErrorCode::kNotFound);
  CHECK_FALSE(make_file_signer(folder.path()));
  write_text(folder / "junk.key", "junk");
  std::filesystem::permissions(folder / "junk.key", std::filesystem::perms::owner_read);
  CHECK(make_file_signer(folder / "junk.key").error().code == ErrorCode::kInvalidArgument);
}
