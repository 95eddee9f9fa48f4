#include "common/pki/identity.h"

#include <string>

#include "tests/catch.h"

using consilium::ErrorCode;
using namespace consilium::pki;

TEST_CASE("an identity survives its URI") {
  for (const Role role : kRoles) {
    const Identity identity{"lung-study", role, "north-2"};
    CHECK(identity_from_uri(to_uri(identity)).value() == identity);
  }
  CHECK(to_uri({"lung", Role::kSite, "north"}) == "spiffe://lung/site/north");
}

TEST_CASE("a URI that is not exactly ours is nobody's") {
  const std::string long_name(64, 'a');
  const auto uri = GENERATE_COPY(values<std::string>({
      "",
      "spiffe://",
      "spiffe:///",
      "spiffe:////",
      "spiffe:/lung/site/north",
      "spiffe:lung/site/north",
      "SPIFFE://lung/site/north",
      "Spiffe://lung/site/north",
      "https://lung/site/north",
      "http://lung/site/north",
      " spiffe://lung/site/north",
      "spiffe://lung/site/north ",
      "spiffe://lung/site/north\n",
      "spiffe://lung/site/north\r\n",
      "spiffe://lung/site",
      "spiffe://lung/site/",
      "spiffe://lung//north",
      "spiffe:///site/north",
      "spiffe://lung/site/north/",
      "spiffe://lung/site/north/x",
      "spiffe://lung/site//north",
      "spiffe://lung/./site/north",
      "spiffe://lung/site/../north",
      "spiffe://lung/site/..",
      "spiffe://lung/site/.",
      "spiffe://lung/site/%6eorth",
      "spiffe://lung/site/north%00",
      "spiffe://lung/site/north?x=1",
      "spiffe://lung/site/north#x",
      "spiffe://lung:443/site/north",
      "spiffe://user@lung/site/north",
      "spiffe://lung.example/site/north",
      "spiffe://LUNG/site/north",
      "spiffe://lung/SITE/north",
      "spiffe://lung/Site/north",
      "spiffe://lung/site/North",
      "spiffe://lung/sites/north",
      "spiffe://lung/admin/north",
      "spiffe://lung/site /north",
      "spiffe://lung/site/-north",
      "spiffe://lung/site/north-",
      "spiffe://-lung/site/north",
      "spiffe://lung/site/no_rth",
      "spiffe://lung/site/n\xc3\xb6rd",
      "spiffe://lung/site/n\xd0\xberth",
      "spiffe://lung\\site\\north",
      "spiffe://lung/site\\north",
      "spiffe://lung/site/" + long_name,
      "spiffe://" + long_name + "/site/north",
      std::string("spiffe://lung/site/north\0", 25),
      std::string("spiffe://lung/site/no\0th", 24),
      std::string(100'000, '/'),
      "spiffe://" + std::string(100'000, 'a'),
  }));
  CAPTURE(uri.substr(0, 100));
  const auto identity = identity_from_uri(uri);
  REQUIRE_FALSE(identity);
  CHECK(identity.error().code == ErrorCode::kInvalidArgument);
  CHECK(identity.error().message.size() < 400);
}

TEST_CASE("names are fit for files, logs and URIs") {
  CHECK(check_name("a"));
  CHECK(check_name("0"));
  CHECK(check_name("st-marys-2"));
  CHECK(check_name(std::string(63, 'z')));
  CHECK_FALSE(check_name(std::string(64, 'z')));
  CHECK_FALSE(check_name(""));
  CHECK_FALSE(check_name("-"));
  CHECK_FALSE(check_name("a/b"));
  CHECK_FALSE(check_name(".."));
  CHECK(check_name("\x1b[31m").error().message.find('\x1b') == std::string::npos);
}
