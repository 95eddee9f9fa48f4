#include "common/crypto/base64.h"

#include <span>
#include <string>
#include <string_view>

#include "tests/catch.h"

namespace consilium::crypto {
namespace {

std::string encoded(std::string_view text) { return to_base64(std::as_bytes(std::span(text))); }

TEST_CASE("base64 has the test vectors of RFC 4648, section 10") {
  CHECK(encoded("").empty());
  CHECK(encoded("f") == "Zg==");
  CHECK(encoded("fo") == "Zm8=");
  CHECK(encoded("foo") == "Zm9v");
  CHECK(encoded("foobar") == "Zm9vYmFy");
  CHECK(encoded(std::string_view("\x00\xff\xfe", 3)) == "AP/+");
}

TEST_CASE("base64 of much data is one line without padding in its midst") {
  const std::string text = encoded(std::string((3 << 20) + 4, 'x'));
  CHECK(text.size() == (std::size_t{1} << 22) + 8);
  CHECK(text.find_first_of("=\n") == text.size() - 2);
}

}  // namespace
}  // namespace consilium::crypto
