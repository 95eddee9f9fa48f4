#include "client/masking/job_keys.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "common/files/files.h"
#include "common/secagg/sum_keys.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::masking {
namespace {

const crypto::Digest kKeysJob = crypto::sha256("a job");
const crypto::Digest kOtherJob = crypto::sha256("another job");

crypto::SecretBytes key_of(std::uint8_t byte) {
  return crypto::SecretBytes::copy_of(std::vector<std::uint8_t>(secagg::kSumKeyBytes, byte)).value();
}

bool same(const Result<crypto::SecretBytes>& found, const crypto::SecretBytes& expected) {
  return found && std::ranges::equal(found->bytes(), expected.bytes());
}

/// The keys of a site, reopened each time, so that the values come from the disk.
struct Site {
  pki::TemporaryFolder folder;
  SiteSecret secret = SiteSecret::open(folder.path() / "site.secret").value();

  [[nodiscard]] JobKeys keys() const { return JobKeys::open(folder.path() / "keys", secret).value(); }
  [[nodiscard]] std::filesystem::path file(const crypto::Digest& job) const {
    return folder.path() / "keys" / (crypto::to_hex(job) + ".key");
  }
};

TEST_CASE("a job's key is found again after a restart, and each job has its own") {
  const Site site;
  CHECK(site.keys().key(kKeysJob).error().code == ErrorCode::kFailedPrecondition);
  REQUIRE(site.keys().keep(kKeysJob, key_of(7)));
  REQUIRE(site.keys().keep(kOtherJob, key_of(8)));
  CHECK(same(site.keys().key(kKeysJob), key_of(7)));
  CHECK(same(site.keys().key(kOtherJob), key_of(8)));
}

TEST_CASE("another key of a job is taken only once the first is forgotten") {
  const Site site;
  REQUIRE(site.keys().keep(kKeysJob, key_of(7)));
  CHECK(site.keys().keep(kKeysJob, key_of(8)).error().code == ErrorCode::kPermissionDenied);
  CHECK(same(site.keys().key(kKeysJob), key_of(7)));
  REQUIRE(site.keys().forget(kKeysJob));
  REQUIRE(site.keys().keep(kKeysJob, key_of(8)));
  CHECK(same(site.keys().key(kKeysJob), key_of(8)));
}

TEST_CASE("a job's key doesn't lie on the disk in the clear, and two files of one key differ") {
  const Site site;
  REQUIRE(site.keys().keep(kKeysJob, key_of(7)));
  const std::string first = files::read_file(site.file(kKeysJob), 1000).value();
  CHECK(first.find(std::string(4, '\7')) == std::string::npos);
  REQUIRE(site.keys().forget(kKeysJob));
  REQUIRE(site.keys().keep(kKeysJob, key_of(7)));
  CHECK(files::read_file(site.file(kKeysJob), 1000).value() != first);
}

TEST_CASE("a key's file opens for its own job, with the secret that sealed it, and unchanged") {
  Site site;
  REQUIRE(site.keys().keep(kKeysJob, key_of(7)));
  crypto::Digest asked = kKeysJob;
  SECTION("another site's secret") { site.secret = SiteSecret::open(site.folder.path() / "other.secret").value(); }
  SECTION("another job's") {
    std::filesystem::copy_file(site.file(kKeysJob), site.file(kOtherJob));
    asked = kOtherJob;
  }
  SECTION("a byte changed, or one missing, or none sealed") {
    std::string text = files::read_file(site.file(kKeysJob), 1000).value();
    SECTION("nonce") { text.front() ^= 1; }
    SECTION("tag") { text.back() ^= 1; }
    SECTION("size") { text.pop_back(); }
    SECTION("the key itself, as earlier versions kept it") { text = std::string(secagg::kSumKeyBytes, '\7'); }
    REQUIRE(std::filesystem::remove(site.file(kKeysJob)));
    REQUIRE(files::create_private_file(site.file(kKeysJob), text));
  }
  const auto found = site.keys().key(asked);
  REQUIRE_FALSE(found);
  CHECK(found.error().code == ErrorCode::kDataLoss);
  CHECK(found.error().message.find(site.file(asked).string()) != std::string::npos);
}

}  // namespace
}  // namespace consilium::masking
