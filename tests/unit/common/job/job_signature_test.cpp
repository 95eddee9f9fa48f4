#include "common/job/job_signature.h"

#include "common/pki/authority.h"
#include "common/pki/signer.h"
#include "common/pki/trust.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::job {
namespace {

const std::string kHub = "spiffe://lung/coordinator/hub";
const crypto::Digest kJob = crypto::sha256("a job");
constexpr std::int64_t kNow = 1'800'000'000;

/// A member's certificate and key.
struct Person {
  std::string certificate;
  std::unique_ptr<pki::Signer> signer;
  crypto::Digest key{};
};

class Desk {
 public:
  Desk() {
    ada = enroll(pki::Role::kResearcher, "ada");
    eve = enroll(pki::Role::kResearcher, "eve");
    north = enroll(pki::Role::kSite, "north");
    researchers = {{"ada", ada.key}};
  }

  Person enroll(pki::Role role, const std::string& name) {
    const auto file = folder_ / (name + std::to_string(++made_) + ".key");
    const pki::Identity identity{"lung", role, name};
    const std::string request = pki::create_key_and_request(file, identity).value();
    Person person{
        authority.sign(request, identity, {}, std::chrono::hours(1)).value(), pki::make_file_signer(file).value(), {}};
    person.key = crypto::digest_from_hex(pki::key_fingerprint(person.certificate).value()).value();
    return person;
  }

  [[nodiscard]] JobSignature sign(const Person& person, std::int64_t not_after = kNow + 60) const {
    return sign_job(*person.signer, person.certificate, kHub, kJob, not_after).value();
  }

  [[nodiscard]] Result<std::string> check(const JobSignature& signature, bool first = true,
                                          const crypto::Digest& digest = kJob) const {
    return check_job_signature(signature, digest, first, {consortium, coordinator, &researchers, trust.get(), kNow});
  }

 private:
  pki::TemporaryFolder folder_;
  int made_ = 0;

 public:
  pki::Authority authority = pki::Authority::create(folder_ / "ca", "lung", std::chrono::days(10)).value();
  std::shared_ptr<pki::TrustStore> trust =
      pki::TrustStore::open(authority.root_certificate(), authority.revocation_list()).value();
  Person ada, eve, north;
  std::map<std::string, crypto::Digest> researchers;
  std::string consortium = "lung";
  std::string coordinator = kHub;
};

}  // namespace

TEST_CASE("a researcher on the roster signs a job for a coordinator") {
  const Desk desk;
  CHECK(desk.check(desk.sign(desk.ada)).value() == "ada");
}

TEST_CASE("whoever isn't a researcher on the roster signs nothing") {
  Desk desk;
  SECTION("a researcher whom the authority certified, but the roster doesn't list") {
    const auto refused = desk.check(desk.sign(desk.eve));
    CHECK(refused.error().code == ErrorCode::kPermissionDenied);
    CHECK(refused.error().message.find("'eve' isn't on this site's roster") != std::string::npos);
  }
  SECTION("a second certificate in a listed name, with another key") {
    const Person minted = desk.enroll(pki::Role::kResearcher, "bob");
    desk.researchers["bob"] = desk.ada.key;
    CHECK(desk.check(desk.sign(minted)).error().code == ErrorCode::kPermissionDenied);
  }
  SECTION("a site, though its key were listed") {
    desk.researchers["north"] = desk.north.key;
    CHECK(desk.check(desk.sign(desk.north)).error().code == ErrorCode::kPermissionDenied);
  }
  SECTION("one whose certificate is revoked, at a later offer too") {
    REQUIRE(desk.authority.revoke(pki::Role::kResearcher, "ada"));
    CHECK(desk.check(desk.sign(desk.ada)).error().code == ErrorCode::kUnauthenticated);
    CHECK(desk.check(desk.sign(desk.ada), false).error().code == ErrorCode::kUnauthenticated);
  }
  SECTION("nobody") { CHECK(desk.check({}).error().code == ErrorCode::kUnauthenticated); }
}

TEST_CASE("a signature holds for its very statement alone") {
  Desk desk;
  JobSignature signature = desk.sign(desk.ada);
  SECTION("of that job") { CHECK_FALSE(desk.check(signature, true, crypto::sha256("another job"))); }
  SECTION("of that coordinator") {
    desk.coordinator = "spiffe://lung/coordinator/other";
    CHECK(desk.check(signature).error().code == ErrorCode::kPermissionDenied);
    signature.coordinator = desk.coordinator;
    CHECK(desk.check(signature).error().code == ErrorCode::kUnauthenticated);
  }
  SECTION("in that consortium") {
    desk.consortium = "skin";
    CHECK_FALSE(desk.check(signature));
  }
  SECTION("until that time") {
    signature.not_after += 1;
    CHECK_FALSE(desk.check(signature));
  }
  SECTION("by that key") {
    signature.certificate = desk.eve.certificate;
    desk.researchers["eve"] = desk.eve.key;
    CHECK(desk.check(signature).error().code == ErrorCode::kUnauthenticated);
  }
  SECTION("with those bytes") {
    signature.signature.back() ^= std::byte{1};
    CHECK(desk.check(signature).error().code == ErrorCode::kUnauthenticated);
    signature.signature.clear();
    CHECK(desk.check(signature).error().code == ErrorCode::kUnauthenticated);
  }
}

TEST_CASE("a job that comes too late is refused at its first offer, and not at a later one") {
  const Desk desk;
  CHECK(desk.check(desk.sign(desk.ada, kNow)));
  CHECK(desk.check(desk.sign(desk.ada, kNow - 1)).error().code == ErrorCode::kDeadlineExceeded);
  CHECK(desk.check(desk.sign(desk.ada, kNow - 1), false));
}

TEST_CASE("the statement's bytes are those of docs/formats/wire.md") {
  const auto bytes = job_statement("lung", "c", {}, 0x0102);
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  using namespace std::string_literals;
  CHECK(text == "\x16"s + "consilium/v1/job-offer" + "\x04\0lung"s + "\x01\0c"s + std::string(32, '\0') +
                    "\x02\x01\0\0\0\0\0\0"s);
}

}  // namespace consilium::job
