#include "common/config/value.h"

#include <nlohmann/json.hpp>

#include "common/config/scalars.h"
#include "common/config/section.h"
#include "tests/catch.h"

namespace consilium::config {
namespace {

using std::chrono::milliseconds;

Value parsed(std::string_view text) {
  auto root = parse(text, "job.yaml", "/etc/consilium");
  REQUIRE(root);
  return *root;
}

TEST_CASE("numbers are whole, finite decimals") {
  CHECK(to_number("0.01") == 0.01);
  CHECK(to_number("-3") == -3.0);
  CHECK(to_number("1e-4") == 1e-4);
  CHECK_FALSE(std::signbit(*to_number("-0")));
  for (const char* text :
       {"",      "nan",    "inf",    "-inf", ".nan", ".inf", "infinity", "0x10",  "1_000", "+1",  "1e",
        "1e999", "-1e999", "1e-999", "1 ",   " 1",   "1,5",  "one",      "1.2.3", "--1",   "1e5x"}) {
    INFO(text);
    CHECK_FALSE(to_number(text));
  }
}

TEST_CASE("integers have no sign, point, exponent or leading zero") {
  CHECK(to_integer("0") == 0U);
  CHECK(to_integer("18446744073709551615") == UINT64_MAX);
  for (const char* text : {"", "-1", "+1", "1.0", "1e3", "01", "0x1", "18446744073709551616", "1 ", "1_0", "ten"}) {
    INFO(text);
    CHECK_FALSE(to_integer(text));
  }
}

TEST_CASE("durations and sizes are an integer and a unit") {
  CHECK(to_duration("500ms") == milliseconds(500));
  CHECK(to_duration("90s") == milliseconds(90'000));
  CHECK(to_duration("10m") == milliseconds(600'000));
  CHECK(to_duration("2h") == milliseconds(7'200'000));
  CHECK(to_duration("1d") == milliseconds(86'400'000));
  for (const char* text : {"", "10", "m", "10 m", "-1s", "1.5h", "10M", "10min", "1h30m", "99999999999999999999ms",
                           "18446744073709551615ms", "18446744073709551615d"}) {
    INFO(text);
    CHECK_FALSE(to_duration(text));
  }
  CHECK(to_size("4GiB") == 4ULL << 30);
  CHECK(to_size("512MiB") == 512ULL << 20);
  CHECK(to_size("7B") == 7ULL);
  CHECK(to_size("1GB") == 1'000'000'000ULL);
  for (const char* text : {"", "4", "4G", "4gib", "GiB", "4 GiB", "-1B", "0.5GiB", "99999999999TiB"}) {
    INFO(text);
    CHECK_FALSE(to_size(text));
  }
}

TEST_CASE("a duration's text reads back to the duration") {
  const auto count = GENERATE(take(50, random(1, 2'000'000'000)));
  CHECK(to_duration(duration_text(milliseconds(count))) == milliseconds(count));
  CHECK(duration_text(milliseconds(600'000)) == "10m");
  CHECK(duration_text(milliseconds(1500)) == "1500ms");
}

TEST_CASE("names are lower case, bounded, and begin and end with a letter or digit") {
  for (const char* text : {"a", "north", "site-1", "0", "a--b"}) CHECK(is_name(text));
  CHECK(is_name(std::string(63, 'a')));
  CHECK_FALSE(is_name(std::string(64, 'a')));
  for (const char* text : {"", "-a", "a-", "A", "a_b", "a b", "../x", "a/b", "a.b", "\xC3\xA9", "a\n"}) {
    INFO(text);
    CHECK_FALSE(is_name(text));
  }
}

TEST_CASE("an error names file, key path, expectation, what was found, and the line") {
  const Value root = parsed("training:\n  optimizer:\n    learning_rate: fast\n    steps: [1, {deep: x}]\n");
  const Value rate = root.at("training").at("optimizer").at("learning_rate");
  CHECK(rate.number(kPositive).error().message ==
        "job.yaml: training.optimizer.learning_rate: expected a number > 0, found 'fast' (line 3)");
  const auto steps = root.at("training").at("optimizer").at("steps").items(10);
  REQUIRE(steps);
  CHECK((*steps)[1].at("deep").boolean().error().message ==
        "job.yaml: training.optimizer.steps[1].deep: expected true or false, found 'x' (line 4)");
  CHECK(root.at("training").at("none").text().error().message ==
        "job.yaml: training.none: expected text, found nothing (line 2)");
  CHECK(root.text().error().message == "job.yaml: expected text, found a map (line 1)");
}

TEST_CASE("an error shows hostile text cut and without control characters") {
  const Value root = parsed("a: \"x\\e[31m\\n" + std::string(500, 'y') + "\"\n");
  const std::string message = root.at("a").number(kPositive).error().message;
  CHECK(message.size() < 150);
  CHECK(message.find('\x1B') == std::string::npos);
  CHECK(message.find('\n') == std::string::npos);
  CHECK_FALSE(root.at("a").text());
}

TEST_CASE("a quoted number is text, and text is no number") {
  const Value root = parsed("a: \"5\"\nb: 5\nc: \"true\"\nd: off\n");
  CHECK_FALSE(root.at("a").number(kPositive));
  CHECK_FALSE(root.at("a").integer({}));
  CHECK(*root.at("a").text() == "5");
  CHECK(*root.at("b").text() == "5");
  CHECK_FALSE(root.at("c").boolean());
  CHECK_FALSE(root.at("d").boolean());
  CHECK(*root.at("d").text() == "off");
}

TEST_CASE("ranges say themselves") {
  CHECK(kPositive.text() == "a number > 0");
  CHECK(kNotNegative.text() == "a number >= 0");
  CHECK(kShare.text() == "a number > 0 and <= 1");
  CHECK_FALSE(kShare.holds(0.0));
  CHECK(kShare.holds(1.0));
  CHECK(parsed("a: 7").at("a").integer({1, 5}).error().message ==
        "job.yaml: a: expected an integer from 1 to 5, found '7' (line 1)");
}

TEST_CASE("relative paths start at the configuration's folder") {
  const Value root = parsed("a: keys/site.key\nb: /var/lib\nc: ../x\nd: []\n");
  CHECK(*root.at("a").file() == "/etc/consilium/keys/site.key");
  CHECK(*root.at("b").file() == "/var/lib");
  CHECK(*root.at("c").file() == "/etc/x");
  CHECK_FALSE(root.at("d").file());
}

TEST_CASE("lists of names hold different names") {
  CHECK(parsed("a: [x, y]").at("a").names(1, 4)->size() == 2);
  CHECK(parsed("a: [x, x]").at("a").names(1, 4).error().message ==
        "job.yaml: a[1]: the name 'x' is listed twice (line 1)");
  CHECK_FALSE(parsed("a: []").at("a").names(1, 4));
  CHECK_FALSE(parsed("a: [x, y, z]").at("a").names(1, 2));
  CHECK_FALSE(parsed("a: [X]").at("a").names(1, 2));
  CHECK_FALSE(parsed("a: x").at("a").names(1, 2));
}

TEST_CASE("a value becomes JSON with JSON's types") {
  const Value root =
      parsed("{a: 1, b: -2, c: 0.5, d: '1', e: true, f: off, g: null, h: [1e3, x], i: 18446744073709551615}");
  const nlohmann::json expected = {{"a", 1},     {"b", -2},      {"c", 0.5},           {"d", "1"},       {"e", true},
                                   {"f", "off"}, {"g", nullptr}, {"h", {1000.0, "x"}}, {"i", UINT64_MAX}};
  CHECK(root.json() == expected);
  CHECK(root.json()["a"].is_number_integer());
  CHECK(root.json()["h"][0].is_number_float());
}

TEST_CASE("a section keeps its first error and refuses unknown keys with the nearest known") {
  std::uint32_t rounds = 7;
  Section section(parsed("rouns: 3\n"), {}, {"rounds", "fraction"});
  section.integer("rounds", rounds, {1, 10});
  REQUIRE_FALSE(section.ok());
  CHECK(section.result().error().message == "job.yaml: rouns: unknown key; did you mean 'rounds'? (line 1)");
  CHECK(rounds == 7);

  const Section missing(parsed("a: 1\n"), {"a", "b"}, {});
  CHECK(missing.result().error().message == "job.yaml: b: this key is missing (line 1)");
  const Section null(parsed("a: null\n"), {"a"}, {});
  CHECK_FALSE(null.ok());
  const Section list(parsed("[1]\n"), {}, {"a"});
  CHECK(list.result().error().message == "job.yaml: expected a map, found a list of 1 (line 1)");
}

TEST_CASE("a choice takes the word off as written, and names the words it knows") {
  enum class Mode { kOff, kRequired };
  const Choices<Mode> modes{{"required", Mode::kRequired}, {"off", Mode::kOff}};
  Mode mode = Mode::kRequired;
  Section section(parsed("mode: off\n"), {}, {"mode"});
  section.choice("mode", mode, modes);
  CHECK(section.ok());
  CHECK(mode == Mode::kOff);
  Section wrong(parsed("mode: false\n"), {}, {"mode"});
  wrong.choice("mode", mode, modes);
  CHECK(wrong.result().error().message.starts_with("job.yaml: mode: expected one of required, off, found 'false'"));
  Section map(parsed("mode: {}\n"), {}, {"mode"});
  map.choice("mode", mode, modes);
  CHECK(map.result().error().message == "job.yaml: mode: expected one of required, off, found a map (line 1)");
}

}  // namespace
}  // namespace consilium::config
