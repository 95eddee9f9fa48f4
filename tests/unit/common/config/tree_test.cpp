#include "common/config/tree.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "common/config/value.h"
#include "tests/catch.h"

namespace consilium::config {
namespace {

std::string repeat(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

std::string error_of(std::string_view text, const Limits& limits = {}) {
  const auto tree = parse_tree(text, "a.yaml", "/etc", limits);
  return tree ? "" : tree.error().message;
}

TEST_CASE("a YAML text becomes a tree with line numbers and without guessed types") {
  const auto tree = parse_tree("name: x\nlist:\n  - 1\n  - 'off'\n  - off\n  - ~\n", "a.yaml", "/etc", {});
  REQUIRE(tree);
  const Entry& root = (*tree)->root;
  REQUIRE(root.keys == std::vector<std::string>{"name", "list"});
  const Entry& list = root.items[1];
  REQUIRE(list.items.size() == 4);
  CHECK(list.items[0].text == "1");
  CHECK(list.items[0].line == 3);
  CHECK(list.items[1].quoted);
  CHECK(list.items[2].text == "off");
  CHECK_FALSE(list.items[2].quoted);
  CHECK(list.items[3].kind == Entry::Kind::kNull);
}

TEST_CASE("compact JSON is read as YAML, escapes and all") {
  const auto tree = parse_tree(R"({"a":{"b":[1,-2.5e-08,null,true],"c":"x: y # \" \\ \u00e9"},"d":""})", "a", "", {});
  REQUIRE(tree);
  const Value root(*tree);
  CHECK(root.at("a").at("b").items(4)->size() == 4);
  CHECK(root.at("a").at("c").entry()->text == "x: y # \" \\ \xC3\xA9");
  CHECK(root.at("d").entry()->text.empty());
}

TEST_CASE("an empty text is an absent value") {
  const auto root = parse("", "a.yaml", "");
  REQUIRE(root);
  CHECK_FALSE(root->present());
}

TEST_CASE("aliases, anchors, tags, duplicates and second documents are refused with their line") {
  CHECK(error_of("a: &x 1\nb: *x\n") == "a.yaml: anchors (&name) are not accepted; write the value out (line 1)");
  CHECK(error_of("a: 1\nb: *x\n").find("line 2") != std::string::npos);
  CHECK(error_of("a: !!binary aGk=\n") == "a.yaml: tags (!name) are not accepted (line 1)");
  CHECK(error_of("a: !evil {b: 1}\n") == "a.yaml: tags (!name) are not accepted (line 1)");
  CHECK(error_of("a: 1\nb: 2\na: 3\n") == "a.yaml: the key 'a' is listed twice (line 3)");
  CHECK(error_of("a: 1\n\"a\": 3\n") == "a.yaml: the key 'a' is listed twice (line 2)");
  CHECK(error_of("a: 1\n---\nb: 2\n") == "a.yaml: more than one YAML document; expected one");
  CHECK(error_of("? [a, b]\n: 1\n") == "a.yaml: a key is a word, not a map or list (line 1)");
  CHECK(error_of("? {a: b}\n: 1\n") == "a.yaml: a key is a word, not a map or list (line 1)");
  CHECK(error_of("~: 1\n") == "a.yaml: expected a key, found nothing (line 1)");
  CHECK(error_of("'': 1\n") == "a.yaml: expected a key, found nothing (line 1)");
  CHECK(error_of(std::string(300, 'k') + ": 1\n").find("a key of more than 256 bytes") != std::string::npos);
}

TEST_CASE("the billion laughs do not get past the first anchor") {
  std::string text = "a: &a [lol, lol]\n";
  for (char c = 'b'; c <= 'z'; ++c) {
    text += std::string(1, c) + ": &" + c + " [*" + static_cast<char>(c - 1) + ", *" + static_cast<char>(c - 1) + "]\n";
  }
  CHECK(error_of(text).find("anchors") != std::string::npos);
}

TEST_CASE("size, depth and number of values are bounded") {
  CHECK(error_of("a: 12345", {.bytes = 4}) == "a.yaml: 8 bytes; expected at most 4");
  CHECK(error_of(repeat("[", 24) + repeat("]", 24)).empty());
  CHECK(error_of(repeat("[", 25) + repeat("]", 25)).find("maps and lists are nested more than 24 deep") !=
        std::string::npos);
  CHECK(error_of(repeat("[", 100000)) != "");
  CHECK(error_of(repeat("{a: ", 100000)) != "");
  CHECK(error_of(repeat("- ", 100000)) != "");
  CHECK(error_of(repeat("? ", 100000)) != "");
  CHECK(error_of(repeat("- 1\n", 11), {.entries = 10}).find("more than 10 values") != std::string::npos);
}

TEST_CASE("bytes that are not UTF-8 text are refused before any YAML") {
  CHECK(error_of("a: \xFF") == "a.yaml: bytes that are not UTF-8 (line 1)");
  CHECK(error_of("a: 1\nb: \xC0\xAF") == "a.yaml: bytes that are not UTF-8 (line 2)");
  CHECK(error_of("a: \xED\xA0\x80") == "a.yaml: bytes that are not UTF-8 (line 1)");
  CHECK(error_of("a: \xF4\x90\x80\x80") == "a.yaml: bytes that are not UTF-8 (line 1)");
  CHECK(error_of("a: \xE2\x82") == "a.yaml: bytes that are not UTF-8 (line 1)");
  CHECK(error_of(std::string("a: \0", 4)) == "a.yaml: a control character (byte 0x00) (line 1)");
  CHECK(error_of("a: \x1B[31m") == "a.yaml: a control character (byte 0x1b) (line 1)");
  CHECK(error_of("a: \xE2\x82\xAC # \xF0\x9F\x99\x82").empty());
}

TEST_CASE("broken YAML is refused with its line") {
  for (const char* text :
       {"a: [1, 2", "a: {b: 1", "a: 'x", "a: \"x", "a: 1\n b: 2\n", "a: b: c\n", "}", "]", "a: @x", "a: `x",
        "a: \"\\q\"", "a\nb: 1\n", "\ta: 1\n", "a: [1, 2}", "- a\nb: 1\n", "a: \"\\ud800\"", "a: *\n", "a: &\n"}) {
    INFO(text);
    CHECK(error_of(text).starts_with("a.yaml: "));
  }
}

TEST_CASE("files are read up to a bound, and errors name them") {
  const auto folder = std::filesystem::temp_directory_path() / "consilium_tree_test";
  std::filesystem::create_directories(folder);
  const auto file = folder / "some.yaml";
  std::ofstream(file) << "a: 12345678\n";
  CHECK(*read_bounded(file, 12) == "a: 12345678\n");
  CHECK(read_bounded(file, 11).error().code == ErrorCode::kResourceExhausted);
  CHECK(read_bounded(folder, 11).error().message.find("is a folder") != std::string::npos);
  const auto missing = read(folder / "none.yaml");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK(missing.error().message.find("none.yaml: cannot be read: No such file") != std::string::npos);
  const auto root = read(file);
  REQUIRE(root);
  CHECK(root->at("a").expected("a list").message == "some.yaml: a: expected a list, found '12345678' (line 1)");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace consilium::config
