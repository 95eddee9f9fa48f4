#include "common/pki/own_certificate.h"

#include <fstream>

#include "common/pki/authority.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using Catch::Contains;
using namespace consilium::pki;
using namespace std::chrono_literals;

namespace {

struct OwnFiles {
  OwnFiles() : request(create_key_and_request(folder / "north.key", {"lung", Role::kSite, "north"}).value()) {}

  void sign(std::chrono::seconds validity) {
    std::ofstream(folder / "north.pem")
        << authority.sign(request, {"lung", Role::kSite, "north"}, {}, validity).value();
  }

  TemporaryFolder folder;
  Authority authority = Authority::create(folder / "ca", "lung", std::chrono::days{400}).value();
  std::string request;
};

}  // namespace

TEST_CASE("a certificate is warned of from thirty days before its end, once a day") {
  OwnFiles north;
  north.sign(std::chrono::days{31});
  std::time_t now = std::time(nullptr);
  OwnCertificate own(north.folder / "north.pem", north.folder / "north.key", [&] { return now; });
  CHECK_FALSE(own.warning_due());
  now += 86400 + 1;
  const auto warning = own.warning_due();
  REQUIRE(warning);
  CHECK_THAT(*warning, Contains("north.pem: this certificate ends 20") && Contains("consilium ca sign"));
  CHECK_FALSE(own.warning_due());
  now += 86400;
  CHECK(own.warning_due() == warning);
  now += 30 * 86400;
  CHECK_THAT(own.warning_due().value(), Contains("ended 20") && Contains("nobody accepts it any more"));
}

TEST_CASE("a certificate is renewed when another one of the same key lies in the file") {
  OwnFiles north;
  north.sign(std::chrono::days{31});
  OwnCertificate own(north.folder / "north.pem", north.folder / "north.key");
  const std::time_t before = own.end();
  CHECK_FALSE(own.renewed());
  north.sign(std::chrono::days{60});
  CHECK(own.renewed());
  CHECK(own.end() == before);
  own.take();
  CHECK_FALSE(own.renewed());
  CHECK(own.end() > before);
  std::ofstream(north.folder / "north.pem") << "half a cert";
  CHECK_FALSE(own.renewed());
}
