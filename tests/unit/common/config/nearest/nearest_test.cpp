#include "common/config/nearest.h"

#include <array>

#include "tests/catch.h"

using consilium::config::meant;
using consilium::config::nearest;

TEST_CASE("a misspelt word is matched with the one it was meant to be") {
  constexpr std::array<std::string_view, 5> known{"kernel", "channels", "padding", "stride", "bias"};
  CHECK(nearest("kernal", known) == "kernel");
  CHECK(nearest("paddnig", known) == "padding");
  CHECK(nearest("chanels", known) == "channels");
  CHECK(nearest("STRIDES", known) == "stride");
  CHECK(nearest("bais", known) == "bias");
}

TEST_CASE("of two equally near words the first is chosen, and no words give an empty one") {
  constexpr std::array<std::string_view, 2> known{"ab", "ac"};
  CHECK(nearest("ad", known) == "ab");
  CHECK(nearest("ab", {}).empty());
  CHECK(meant("ad", known) == "did you mean 'ab'?");
  CHECK(meant("ad", {}) == "no word is accepted here");
}

TEST_CASE("a word that isn't near any gets no suggestion, but the list") {
  constexpr std::array<std::string_view, 2> modes{"required", "off"};
  CHECK(nearest("on", modes).empty());
  CHECK(nearest("of", modes) == "off");
  CHECK(nearest("", modes).empty());
  CHECK(nearest("requierd", modes) == "required");
  CHECK(nearest("refused", modes).empty());
  CHECK(meant("on", modes) == "expected one of required, off");
}

TEST_CASE("a word of a megabyte is compared by its beginning") {
  constexpr std::array<std::string_view, 2> known{"kernel", "stride"};
  CHECK(nearest(std::string(1 << 20, 'x'), known).empty());
}
