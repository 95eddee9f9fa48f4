#include "client/masking/sealed_vector.h"

#include <fstream>
#include <iterator>
#include <numeric>

#include "client/masking/site_secret.h"
#include "tests/catch.h"
#include "tests/unit/client/masking/ledger_fixtures.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::masking {
namespace {

using Words = std::vector<std::uint32_t>;

job::RoundOrder order_of(std::uint32_t round, std::uint32_t attempt = 1) {
  job::RoundOrder order;
  order.kind = job::SumKind::kTrain;
  order.round = round;
  order.attempt = attempt;
  order.job = crypto::sha256("a job");
  return order;
}

Words some_words(std::size_t count) {
  Words words(count);
  std::iota(words.begin(), words.end(), 5U);
  return words;
}

struct Sealed {
  pki::TemporaryFolder folder;
  std::filesystem::path file = folder / "x.sealed";
  crypto::SecretBytes key = SiteSecret::simulated("north", 7).value().sealing_key(order_of(1)).value();
  Words words = some_words(200'000);
  crypto::Digest digest{};

  Sealed() { digest = seal(words).value(); }
  Result<crypto::Digest> seal(const Words& all, std::uint64_t claimed = 0) const {
    return seal_vector(file, key, claimed == 0 ? all.size() : claimed, [&](const WordSink& sink) -> Result<void> {
      Words copy = all;  // the sink can change its argument
      CONSILIUM_TRY(sink(std::span(copy).first(all.size() / 3)));
      return sink(std::span(copy).subspan(all.size() / 3));
    });
  }
  Result<Words> opened(const crypto::Digest& expected) const {
    Words found;
    CONSILIUM_TRY(open_vector(file, key, words.size(), expected, [&](std::span<std::uint32_t> piece) -> Result<void> {
      found.insert(found.end(), piece.begin(), piece.end());
      return {};
    }));
    return found;
  }
  [[nodiscard]] std::string bytes() const {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

TEST_CASE("a sealed vector opens to its words, whatever the pieces") {
  const Sealed sealed;
  CHECK(sealed.digest == crypto::sha256(std::as_bytes(std::span(sealed.words))));
  CHECK(sealed.opened(sealed.digest).value() == sealed.words);
}

TEST_CASE("a sealed vector's file holds no word of it, and never the same bytes twice") {
  Sealed sealed;
  const std::string first = sealed.bytes();
  const std::string plain(reinterpret_cast<const char*>(sealed.words.data()), 32);
  CHECK(first.find(plain) == std::string::npos);
  REQUIRE(sealed.seal(sealed.words).value() == sealed.digest);
  CHECK(sealed.bytes() != first);
  CHECK(sealed.bytes().substr(16, 64) != first.substr(16, 64));
}

TEST_CASE("a sealed vector that was changed, cut or lost isn't another one") {
  const Sealed sealed;
  const std::string bytes = sealed.bytes();
  SECTION("changed") {
    std::string changed = bytes;
    changed[1000] = static_cast<char>(changed[1000] ^ 1);
    std::ofstream(sealed.file, std::ios::binary) << changed;
    check_refused(sealed.opened(sealed.digest), ErrorCode::kDataLoss, {"were changed after they were sealed"});
  }
  SECTION("cut") {
    std::ofstream(sealed.file, std::ios::binary) << bytes.substr(0, bytes.size() - 1);
    check_refused(sealed.opened(sealed.digest), ErrorCode::kDataLoss, {"ends too early"});
  }
  SECTION("empty") {
    std::ofstream(sealed.file, std::ios::binary).flush();
    check_refused(sealed.opened(sealed.digest), ErrorCode::kDataLoss, {"is empty"});
  }
  SECTION("lost") {
    std::filesystem::remove(sealed.file);
    check_refused(sealed.opened(sealed.digest), ErrorCode::kDataLoss, {"no other may be sent"});
  }
}

TEST_CASE("a vector of another size than its layout isn't sealed, and leaves no file") {
  const Sealed sealed;
  for (const std::uint64_t claimed : {sealed.words.size() - 1, sealed.words.size() + 1}) {
    CHECK_FALSE(sealed.seal(sealed.words, claimed));
    CHECK_FALSE(std::filesystem::exists(sealed.file));
  }
}

TEST_CASE("a site's secret is made once, readable by its owner alone") {
  const pki::TemporaryFolder folder;
  const auto file = folder / "site.secret";
  const SiteSecret made = SiteSecret::open(file).value();
  CHECK(std::filesystem::file_size(file) == SiteSecret::kBytes);
  CHECK((std::filesystem::status(file).permissions() & std::filesystem::perms::all) ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  const SiteSecret again = SiteSecret::open(file).value();
  CHECK(made.training_seed(order_of(1), "chest").value() == again.training_seed(order_of(1), "chest").value());
  const SiteSecret other = SiteSecret::open(folder / "other.secret").value();
  CHECK(made.training_seed(order_of(1), "chest").value() != other.training_seed(order_of(1), "chest").value());
}

TEST_CASE("what follows from a site's secret differs by job, data set, kind, round and purpose, and not by attempt") {
  const SiteSecret secret = SiteSecret::simulated("north", 7).value();
  const std::uint64_t seed = secret.training_seed(order_of(1), "chest").value();
  CHECK(secret.training_seed(order_of(1, 9), "chest").value() == seed);
  CHECK(secret.training_seed(order_of(2), "chest").value() != seed);
  CHECK(secret.training_seed(order_of(1), "skin").value() != seed);
  job::RoundOrder other = order_of(1);
  other.job = crypto::sha256("another job");
  CHECK(secret.training_seed(other, "chest").value() != seed);
  other = order_of(1);
  other.kind = job::SumKind::kEvaluate;
  CHECK(secret.training_seed(other, "chest").value() != seed);
  other = order_of(1);
  other.seed = 99;  // the job's public seed has no influence
  CHECK(secret.training_seed(other, "chest").value() == seed);
  const auto sealing = secret.sealing_key(order_of(1)).value(), unusable = secret.unusable_key(order_of(1)).value();
  CHECK_FALSE(crypto::equal_in_constant_time(sealing.bytes(), unusable.bytes()));
  CHECK_FALSE(crypto::equal_in_constant_time(sealing.bytes(), secret.agreement_key(order_of(1).job).value().bytes()));
}

TEST_CASE("a secret file of another size, or that others may read, is refused") {
  const pki::TemporaryFolder folder;
  const auto file = folder / "site.secret";
  REQUIRE(SiteSecret::open(file));
  SECTION("size") {
    std::ofstream(file, std::ios::binary | std::ios::app) << 'x';
    check_refused(SiteSecret::open(file), ErrorCode::kDataLoss, {"expected 32 secret bytes, found 33"});
  }
  SECTION("mode") {
    std::filesystem::permissions(file, std::filesystem::perms::group_read, std::filesystem::perm_options::add);
    CHECK(SiteSecret::open(file).error().code == ErrorCode::kPermissionDenied);
  }
}

}  // namespace
}  // namespace consilium::masking
