#include "client/masking/masked_vector.h"

#include <sys/stat.h>

#include <functional>
#include <numeric>

#include "common/secagg/messages.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using namespace consilium;
using namespace consilium::masking;

namespace {

using Words = std::vector<std::uint32_t>;

std::vector<secagg::MaskTerm> two_masks() {
  std::vector<secagg::MaskTerm> masks;
  for (std::uint8_t i = 0; i < 2; ++i) {
    auto key = crypto::SecretBytes::allocate(secagg::kSecretBytes).value();
    std::ranges::fill(key.bytes(), static_cast<std::uint8_t>(i + 1));
    masks.push_back({std::move(key), i == 1});
  }
  return masks;
}

Words some_words(std::size_t count) {
  Words words(count);
  std::iota(words.begin(), words.end(), 7U);
  return words;
}

/// Supplies `words` in pieces of at most `piece`.
std::function<Result<void>(const MaskedVector::WordSink&)> pieces_of(Words words, std::size_t piece) {
  return [words = std::move(words), piece](const MaskedVector::WordSink& sink) mutable -> Result<void> {
    for (std::size_t at = 0; at < words.size(); at += piece)
      CONSILIUM_TRY(sink(std::span(words).subspan(at, std::min(piece, words.size() - at))));
    return {};
  };
}

}  // namespace

TEST_CASE("a masked vector's file holds what the masks make of the words, in whatever pieces and by how many threads") {
  const pki::TemporaryFolder folder;
  const Words plain = some_words(300'000);
  Words expected = plain;
  REQUIRE(secagg::add_masks(two_masks(), 0, expected, 1).has_value());
  const std::size_t piece = GENERATE(999U, 65'536U, 196'608U, 300'000U);
  const unsigned threads = GENERATE(1U, 3U);
  const auto masks = two_masks();
  const auto vector = MaskedVector::create(folder / "v", plain.size(), masks, pieces_of(plain, piece), threads);
  REQUIRE(vector.has_value());
  CHECK(std::ranges::equal(vector->words(), expected));
  CHECK(vector->digest() == crypto::sha256(std::as_bytes(std::span(expected))));
  const std::string file = pki::text_of(folder / "v");
  REQUIRE(file.size() == plain.size() * 4);
  CHECK(crypto::sha256(std::as_bytes(std::span(file))) == vector->digest());
  struct stat status {};
  REQUIRE(::stat((folder / "v").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0600U);
}

TEST_CASE("a value that is refused half-way leaves no file, and says what was wrong") {
  const pki::TemporaryFolder folder;
  const auto masks = two_masks();
  Words words = some_words(100);
  const auto refused =
      MaskedVector::create(folder / "v", 200, masks, [&](const MaskedVector::WordSink& sink) -> Result<void> {
        CONSILIUM_TRY(sink(words));
        return fail(ErrorCode::kInvalidArgument, "the update's parameter 'bn' is NaN at element 1");
      });
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message == "the update's parameter 'bn' is NaN at element 1");
  CHECK_FALSE(std::filesystem::exists(folder / "v"));
}

TEST_CASE("a vector of more or fewer words than its layout leaves no file") {
  const pki::TemporaryFolder folder;
  const auto masks = two_masks();
  const std::size_t count = GENERATE(99U, 101U);
  const auto refused = MaskedVector::create(folder / "v", count, masks, pieces_of(some_words(100), 30));
  REQUIRE_FALSE(refused.has_value());
  CHECK_THAT(refused.error().message, Catch::Contains("words than its layout"));
  CHECK_FALSE(std::filesystem::exists(folder / "v"));
}

TEST_CASE("a vector is never written over another's file, nor through a link") {
  const pki::TemporaryFolder folder;
  const auto masks = two_masks();
  pki::write_text(folder / "other", "precious");
  if (GENERATE(false, true)) {
    std::filesystem::create_symlink(folder / "other", folder / "v");
  } else {
    pki::write_text(folder / "v", "precious");
  }
  const auto refused = MaskedVector::create(folder / "v", 100, masks, pieces_of(some_words(100), 100));
  REQUIRE_FALSE(refused.has_value());
  CHECK_THAT(refused.error().message, Catch::Contains((folder / "v").string()));
  CHECK(pki::text_of(folder / "v") == "precious");
  CHECK(pki::text_of(folder / "other") == "precious");
}

TEST_CASE("a vector that the disk has no room for leaves no file") {
  const pki::TemporaryFolder folder;
  const auto masks = two_masks();
  const auto refused = MaskedVector::create(folder / "v", std::uint64_t{1} << 58, masks, pieces_of(some_words(9), 9));
  REQUIRE_FALSE(refused.has_value());
  CHECK_THAT(refused.error().message, Catch::Contains("allocate"));
  CHECK_FALSE(std::filesystem::exists(folder / "v"));
}
