#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "client/masking/ledger.h"
#include "tests/unit/client/masking/ledger_fixtures.h"

namespace consilium::masking {
namespace {

namespace fs = std::filesystem;
using pki::TemporaryFolder;

/// Copies the files as a power cut would leave them: an open ledger can't clean up.
void copy_files(const fs::path& from, const fs::path& to) {
  fs::create_directories(to / "vectors");
  for (const char* name : {"masking.db", "masking.db-wal"}) {
    if (fs::exists(from / name)) fs::copy_file(from / name, to / name, fs::copy_options::overwrite_existing);
  }
}

bool begun(Ledger& ledger, const job::SessionKey& key) { return !ledger.begin_attempt(key).has_value(); }

TEST_CASE("a power cut after any call keeps what the call recorded") {
  const TemporaryFolder folder;
  Ledger ledger = opened(folder / "live");
  const crypto::Digest digest = crypto::sha256("something");
  for (std::uint32_t round = 1; round <= 20; ++round) {
    REQUIRE(ledger.begin_attempt(train(round)).has_value());
    REQUIRE(ledger.keep_vector(train(round), digest).has_value());
    REQUIRE(ledger.keep_reply(train(round), digest, bytes("shares")).has_value());
    REQUIRE(
        ledger.confirm({train(round), crypto::sha256(std::to_string(round)), "chest", {"north"}}, false).has_value());
    const fs::path copy = folder / std::to_string(round);
    copy_files(folder / "live", copy);
    Ledger after = opened(copy);
    CHECK(begun(after, train(round)));
    CHECK(after.confirmed("chest-1", job::SumKind::kTrain, round));
    CHECK(after.reply_to(train(round), digest).value() == bytes("shares"));
    CHECK(after.kept_vector(train(round)).value() == digest);
  }
}

TEST_CASE("a torn log gives a state that once was, whole") {
  const TemporaryFolder folder;
  constexpr std::uint32_t kRounds = 12;
  {
    Ledger ledger = opened(folder / "live");
    for (std::uint32_t round = 1; round <= kRounds; ++round) REQUIRE(ledger.begin_attempt(train(round)).has_value());
    copy_files(folder / "live", folder / "cut");
  }
  const auto log = folder / "cut" / "masking.db-wal";
  const auto size = fs::file_size(log);
  REQUIRE(size > 4096);
  std::uint32_t least = kRounds;
  for (std::uintmax_t length = 0; length <= size; length += 1021) {
    const fs::path torn = folder / ("torn-" + std::to_string(length));
    copy_files(folder / "cut", torn);
    fs::resize_file(torn / "masking.db-wal", length);
    Ledger ledger = opened(torn);
    std::uint32_t last = 0;
    while (last < kRounds && begun(ledger, train(last + 1))) ++last;
    for (std::uint32_t round = last + 2; round <= kRounds; ++round) CHECK_FALSE(begun(ledger, train(round)));
    least = std::min(least, last);
    fs::remove_all(torn);
  }
  CHECK(least == 0);
}

TEST_CASE("a killed process leaves the ledger to the next one") {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    auto ledger = Ledger::open(folder.path());
    if (ledger && ledger->begin_attempt(train(3, 2))) ::raise(SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  Ledger ledger = opened(folder.path());
  check_refused(ledger.begin_attempt(train(3, 2)), ErrorCode::kPermissionDenied, {"attempt 2 has already begun"});
}

TEST_CASE("one process has a ledger at a time") {
  const TemporaryFolder folder;
  const Ledger ledger = opened(folder.path());
  const pid_t child = ::fork();
  if (child == 0) {
    const auto second = Ledger::open(folder.path());
    const bool refused = !second && second.error().code == ErrorCode::kFailedPrecondition &&
                         second.error().message.find("masking.db: another process") != std::string::npos;
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

TEST_CASE("a damaged ledger is refused with what to do, and left as it is") {
  const TemporaryFolder folder;
  const fs::path file = folder / "masking.db";
  {
    Ledger ledger = opened(folder.path());
    for (std::uint32_t round = 1; round <= 300; ++round) REQUIRE(ledger.begin_attempt(train(round)).has_value());
  }
  const std::string whole = pki::text_of(file);
  const auto check_damaged = [&] {
    const std::string before = pki::text_of(file);
    check_refused(Ledger::open(folder.path()), ErrorCode::kDataLoss,
                  {file.string(), "Don't restore it from a backup", "docs/hospital-it/masking.md"});
    CHECK(pki::text_of(file) == before);
  };
  SECTION("its header overwritten") {
    pki::write_text(file, "something else" + whole.substr(14));
    check_damaged();
  }
  SECTION("cut off") {
    fs::resize_file(file, whole.size() / 2);
    check_damaged();
  }
  SECTION("emptied") {
    pki::write_text(file, "");
    check_refused(Ledger::open(folder.path()), ErrorCode::kDataLoss, {file.string(), "or it was emptied"});
  }
  SECTION("a page in the middle overwritten") {
    std::string torn = whole;
    torn.replace(2 * 4096, 4096, 4096, 'x');
    pki::write_text(file, torn);
    check_damaged();
  }
  SECTION("removed, with the vectors still there") {
    fs::remove(file);
    check_refused(Ledger::open(folder.path()), ErrorCode::kDataLoss, {file.string(), "the file is missing", "vectors"});
    CHECK_FALSE(fs::exists(file));
  }
  SECTION("removed, with its log still there") {
    fs::remove(file);
    fs::remove_all(folder / "vectors");
    pki::write_text(folder / "masking.db-wal", "log");
    check_refused(Ledger::open(folder.path()), ErrorCode::kDataLoss, {file.string(), "masking.db-wal still exists"});
  }
  SECTION("all of it removed: a site that begins anew") {
    fs::remove(file);
    fs::remove_all(folder / "vectors");
    Ledger ledger = opened(folder.path());
    CHECK_FALSE(begun(ledger, train(1)));
  }
}

TEST_CASE("a ledger of a later version is refused") {
  const TemporaryFolder folder;
  { const Ledger ledger = opened(folder.path()); }
  std::fstream(folder / "masking.db", std::ios::in | std::ios::out | std::ios::binary)
      .seekp(63)
      .put(9);  // user_version
  check_refused(Ledger::open(folder.path()), ErrorCode::kFailedPrecondition,
                {"masking.db", "version 9", "this program reads version 1"});
}

TEST_CASE("what an interrupted creation left is no ledger yet") {
  const TemporaryFolder folder;
  pki::write_text(folder / "masking.db.new", "half a file");
  Ledger ledger = opened(folder.path());
  CHECK(ledger.begin_attempt(train(1)).has_value());
  CHECK_FALSE(fs::exists(folder / "masking.db.new"));
}

TEST_CASE("a vector whose digest was not recorded goes at the next start, the others stay") {
  const TemporaryFolder folder;
  {
    Ledger ledger = opened(folder.path());
    pki::write_text(ledger.vector_file(train(1)), "words");
    pki::write_text(ledger.vector_file(train(2)), "words");
    REQUIRE(ledger.keep_vector(train(1), crypto::sha256("words")).has_value());
  }
  const Ledger ledger = opened(folder.path());
  CHECK(fs::exists(ledger.vector_file(train(1))));
  CHECK_FALSE(fs::exists(ledger.vector_file(train(2))));
}

TEST_CASE("several threads may use a ledger") {
  const TemporaryFolder folder;
  Ledger ledger = opened(folder.path());
  std::vector<std::jthread> threads;
  std::atomic<int> won = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (std::uint32_t attempt = 1; attempt <= 25; ++attempt) won += ledger.begin_attempt(train(attempt)).has_value();
    });
  }
  threads.clear();
  CHECK(won == 25);  // each attempt was started once
}

}  // namespace
}  // namespace consilium::masking
