#include "client/session/model_cache.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::session {
namespace {

TEST_CASE("a file that isn't the model which it is named after is not loaded") {
  const pki::TemporaryFolder folder;
  const ModelCache models(folder.path());
  const std::vector<std::byte> bytes(64, std::byte{7});
  const crypto::Digest model = crypto::sha256(bytes);
  std::vector<std::byte> out(bytes.size());
  const auto code_of = [&](const std::string& content) {
    std::ofstream(models.file_of(model), std::ios::binary | std::ios::trunc) << content;
    const auto loaded = models.load(model, out);
    REQUIRE_FALSE(loaded);
    INFO(loaded.error().message);
    CHECK(loaded.error().message.find(crypto::to_hex(model)) != std::string::npos);
    return loaded.error().code;
  };

  CHECK(models.load(model, out).error().code == ErrorCode::kNotFound);
  REQUIRE(models.keep(model, bytes));
  REQUIRE(models.load(model, out));
  CHECK(out == bytes);
  CHECK(code_of(std::string(64, 'x')) == ErrorCode::kDataLoss);   // a transfer that broke off after its last byte
  CHECK(code_of(std::string(64, '\0')) == ErrorCode::kDataLoss);  // a power failure before the disk had the bytes
  CHECK(code_of(std::string(63, '\7')) == ErrorCode::kDataLoss);
}

}  // namespace
}  // namespace consilium::session
