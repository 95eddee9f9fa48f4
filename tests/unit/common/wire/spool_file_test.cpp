#include "common/wire/spool_file.h"

#include <vector>

#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using namespace consilium;
using consilium::pki::TemporaryFolder;
using consilium::pki::text_of;
using wire::SpoolFile;

namespace {

Result<void> append(SpoolFile& spool, const std::vector<std::string>& texts) {
  std::vector<std::span<const std::byte>> pieces;
  for (const auto& text : texts) pieces.push_back(std::as_bytes(std::span(text)));
  return spool.append(pieces);
}

}  // namespace

TEST_CASE("pieces are appended in order, and the digest of all is checked") {
  TemporaryFolder folder;
  auto spool = SpoolFile::open(folder / "deep/er/file", 0, 1000).value();
  std::string all;
  std::vector<std::string> many;
  for (int index = 0; index < 300; ++index)
    many.push_back(index % 3 == 0 ? "" : std::to_string(index));  // takes more than one writev
  for (const auto& text : many) all += text;
  REQUIRE(append(spool, many));
  CHECK(spool.bytes() == all.size());
  REQUIRE(spool.finish(crypto::sha256(all)));
  CHECK(text_of(folder / "deep/er/file") == all);
}

TEST_CASE("a transfer goes on where the former ended, or before") {
  TemporaryFolder folder;
  const auto file = folder / "file";
  {
    auto spool = SpoolFile::open(file, 0, 11).value();
    REQUIRE(append(spool, {"hello ", "W"}));
  }
  CHECK(SpoolFile::held(file) == 7);
  CHECK(SpoolFile::open(file, 8, 11).error().code == ErrorCode::kFailedPrecondition);
  auto spool = SpoolFile::open(file, 6, 11).value();
  REQUIRE(append(spool, {"world"}));
  CHECK(spool.finish(crypto::sha256("hello world")));
}

TEST_CASE("no byte beyond the limit is written, and a wrong digest removes the file") {
  TemporaryFolder folder;
  const auto file = folder / "file";
  auto spool = SpoolFile::open(file, 0, 5).value();
  REQUIRE(append(spool, {"1234"}));
  CHECK(append(spool, {"5", "6"}).error().code == ErrorCode::kResourceExhausted);
  CHECK(SpoolFile::held(file) == 4);
  CHECK(spool.finish(crypto::sha256("12345")).error().code == ErrorCode::kDataLoss);
  CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("a link in the spool's place is not followed, and what is held of nothing is nothing") {
  TemporaryFolder folder;
  pki::write_text(folder / "precious", "keep me");
  std::filesystem::create_symlink(folder / "precious", folder / "file");
  CHECK_FALSE(SpoolFile::open(folder / "file", 0, 5));
  CHECK(text_of(folder / "precious") == "keep me");
  CHECK(SpoolFile::held(folder / "absent") == 0);
}
