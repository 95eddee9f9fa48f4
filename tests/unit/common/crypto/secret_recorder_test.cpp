#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "hex.h"
#include "tests/catch.h"

using namespace consilium::crypto;

TEST_CASE("a build that records its secrets writes down each value as it is wiped, and no zeros") {
  std::string file = "/tmp/consilium-secrets-XXXXXX";
  ::close(::mkstemp(file.data()));
  ::setenv("CONSILIUM_SECRETS_FILE", file.c_str(), 1);
  {
    auto first = secret_from_hex("00ff10");
    first.wipe();
    const auto second = secret_from_hex(std::string(20'000, '7'));
    const auto blank = SecretBytes::allocate(32).value();
  }
  ::unsetenv("CONSILIUM_SECRETS_FILE");
  std::ifstream stream(file);
  CHECK(std::string(std::istreambuf_iterator<char>(stream), {}) == "00ff10\n" + std::string(20'000, '7') + "\n");
  ::unlink(file.c_str());
}
