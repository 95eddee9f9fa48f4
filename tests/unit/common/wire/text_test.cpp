#include "common/wire/text.h"

#include "tests/catch.h"

using namespace consilium::wire;

TEST_CASE("clean text is well-formed UTF-8 without control characters") {
  for (const char* text : {"", "plain", "Zürich", "東京", "𝔘", "a b", "\xF4\x8F\xBF\xBF"}) {
    CHECK(is_clean_text(text));
    CHECK(clean_text(text, 100) == text);
  }
  for (const char* text :
       {"\n", "\x1b[31m", "\x7f", "\xC2\x85", "\x80", "\xC0\xAF", "\xC3", "\xE0\x80\xAF", "\xED\xA0\x80",
        "\xF0\x80\x80\xAF", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xFF", "fine until \xE2\x82"}) {
    INFO(text);
    CHECK_FALSE(is_clean_text(text));
    CHECK(is_clean_text(clean_text(text, 100)));
  }
  CHECK_FALSE(is_clean_text(std::string_view("\0", 1)));
}

TEST_CASE("cleaning replaces what is no text, and cuts at a character's edge") {
  CHECK(clean_text("one\ntwo\t\x1b[0m", 100) == "one two  [0m");
  CHECK(clean_text("a\xFFz", 100) == "a?z");
  CHECK(clean_text("Zürich", 2) == "Z");
  CHECK(clean_text("Zürich", 3) == "Zü");
  CHECK(clean_text("東京", 5) == "東");
}
