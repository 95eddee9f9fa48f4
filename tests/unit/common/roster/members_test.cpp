#include "common/roster/members.h"

#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::roster {
namespace {

constexpr std::chrono::hours kDay{24};

TEST_CASE("the members are the sites and researchers whose certificates are in force, each by its own key") {
  const pki::TemporaryFolder folder;
  auto authority = pki::Authority::create(folder / "ca", "lung", std::chrono::days(10)).value();
  const auto admit = [&](pki::Role role, const std::string& name, const std::vector<std::string>& hosts = {}) {
    const pki::Identity identity{"lung", role, name};
    const std::string request =
        pki::create_key_and_request(folder / (name + std::string(pki::name_of(role)) + ".key"), identity).value();
    return authority.sign(request, identity, hosts, kDay).value();
  };
  const std::string south = admit(pki::Role::kSite, "south");
  const std::string ada = admit(pki::Role::kResearcher, "ada");
  admit(pki::Role::kSite, "north");
  admit(pki::Role::kCoordinator, "main", {"localhost"});
  admit(pki::Role::kOperator, "ada");  // an operator can't submit jobs, and takes no researcher's place
  REQUIRE(authority.revoke(pki::Role::kSite, "north"));

  const auto members = members_of(authority);
  REQUIRE(members);
  CHECK(members->consortium == "lung");
  CHECK(members->serial == 0);
  CHECK(members->sites == std::map<std::string, crypto::Digest>{
                              {"south", crypto::digest_from_hex(pki::key_fingerprint(south).value()).value()}});
  CHECK(members->researchers == std::map<std::string, crypto::Digest>{
                                    {"ada", crypto::digest_from_hex(pki::key_fingerprint(ada).value()).value()}});
}

}  // namespace
}  // namespace consilium::roster
