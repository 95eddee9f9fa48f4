#include <atomic>
#include <fstream>
#include <thread>

#include "tests/catch.h"
#include "tests/contract/link/federation_fixture.h"
#include "tests/contract/link/relay.h"

using namespace consilium;
using namespace consilium::testing;

namespace {

constexpr std::size_t kBytes = 20'000'003;  // no multiple of a chunk or a word
constexpr std::size_t kWords = 5'000'001;
const job::SessionKey kKey{"chest-xray-1", job::SumKind::kTrain, 3, 1};

crypto::Digest digest_of(const std::filesystem::path& file) { return crypto::sha256(pki::text_of(file)); }

void expect_upload(Federation& federation, const std::string& site, std::uint64_t words) {
  federation.handler.board.post([&] { federation.handler.expected[upload_name(site, kKey)] = words; });
}

}  // namespace

TEST_CASE("a blob is fetched whole, once, and verified") {
  Federation federation;
  const auto link = federation.link("north");
  const auto file = federation.folder / "model";
  const auto digest = federation.blob(kBytes);
  REQUIRE(link->fetch(digest, kBytes, file, {}));
  CHECK(digest_of(file) == digest);

  // Bytes that are already there are not fetched again, so the coordinator can be gone.
  federation.stop();
  CHECK(link->fetch(digest, kBytes, file, {}));
}

TEST_CASE("a fetch goes on where a shorter file ends, and starts again where that was another file's") {
  Federation federation;
  const auto link = federation.link("north");
  const auto file = federation.folder / "model";
  const auto digest = federation.blob(kBytes);
  REQUIRE(link->fetch(digest, kBytes, file, {}));
  std::filesystem::resize_file(file, 7'654'321);
  SECTION("the right beginning") {
    REQUIRE(link->fetch(digest, kBytes, file, {}));
    CHECK(digest_of(file) == digest);
  }
  SECTION("another file's beginning") {
    std::fstream(file, std::ios::in | std::ios::out | std::ios::binary) << "something else";
    const auto fetched = link->fetch(digest, kBytes, file, {});
    REQUIRE_FALSE(fetched);
    CHECK(fetched.error().code == ErrorCode::kDataLoss);
    CHECK_FALSE(std::filesystem::exists(file));
  }
}

TEST_CASE("a fetch goes on in the middle after its connection broke") {
  Federation federation;
  Relay cable(Relay::Kind::kCable, federation.port());
  const auto link = federation.link("north", cable.port());
  const auto file = federation.folder / "model";
  const auto digest = federation.blob(kBytes);
  cable.cut_after_downstream(kBytes / 2);
  REQUIRE(link->fetch(digest, kBytes, file, {}));
  CHECK(digest_of(file) == digest);
  CHECK(cable.connections() == 2);
}

TEST_CASE("a blob that is missing, foreign, or of another size is an error that says so") {
  Federation federation;
  const auto link = federation.link("north");
  const auto file = federation.folder / "model";
  const auto digest = federation.blob(kBytes);
  SECTION("of another size than announced") {
    CHECK(link->fetch(digest, kBytes + 1, file, {}).error().code == ErrorCode::kDataLoss);
    CHECK(link->fetch(digest, kBytes - 1, federation.folder / "other", {}).error().code ==
          ErrorCode::kResourceExhausted);
  }
  SECTION("not for this site") {
    federation.handler.fetchable.clear();
    const auto fetched = link->fetch(digest, kBytes, file, {});
    REQUIRE_FALSE(fetched);
    CHECK(fetched.error().code == ErrorCode::kPermissionDenied);
    CHECK(fetched.error().message.find("north") != std::string::npos);
  }
  SECTION("not there") {
    const auto absent = crypto::sha256("absent");
    federation.handler.fetchable.insert(absent);
    CHECK(link->fetch(absent, 10, file, {}).error().code == ErrorCode::kNotFound);
  }
  SECTION("changed on the coordinator's disk") {
    std::filesystem::permissions(federation.blobs->path(digest), std::filesystem::perms::owner_all);
    std::fstream(federation.blobs->path(digest), std::ios::in | std::ios::out | std::ios::binary) << "something else";
    CHECK(link->fetch(digest, kBytes, file, {}).error().code == ErrorCode::kDataLoss);
    CHECK_FALSE(std::filesystem::exists(file));
  }
}

TEST_CASE("a vector arrives word for word, once") {
  Federation federation;
  const auto link = federation.link("north");
  const auto words = words_of(kWords);
  expect_upload(federation, "north", kWords);
  REQUIRE(link->upload(kKey, words, {}));
  CHECK(federation.handler.vectors.at(upload_name("north", kKey)) == words);
  // A site that missed the answer asks again, and learns that its upload is complete.
  CHECK(link->upload(kKey, words, {}));
  CHECK(std::filesystem::is_empty(federation.spool() / "north"));
}

TEST_CASE("an upload goes on where the connection was cut") {
  Federation federation;
  Relay cable(Relay::Kind::kCable, federation.port());
  const auto link = federation.link("north", cable.port());
  const auto words = words_of(kWords);
  expect_upload(federation, "north", kWords);
  cable.cut_after_upstream(kWords * 2);
  REQUIRE(link->upload(kKey, words, {}));
  CHECK(federation.handler.vectors.at(upload_name("north", kKey)) == words);
  CHECK(cable.connections() == 2);
}

TEST_CASE("an upload goes on after the coordinator's restart") {
  Federation federation;
  Relay cable(Relay::Kind::kCable, federation.port());
  const auto link = federation.link("north", cable.port());
  const auto words = words_of(kWords);
  expect_upload(federation, "north", kWords);
  cable.cut_after_upstream(kWords * 3);
  std::jthread restarting([&] {
    while (cable.connections() == 0) std::this_thread::yield();
    federation.restart();
  });
  REQUIRE(link->upload(kKey, words, {}));
  restarting.join();
  CHECK(federation.handler.vectors.at(upload_name("north", kKey)) == words);
}

TEST_CASE("a vector that nobody expects, or of another length, is refused before it is spooled") {
  Federation federation;
  const auto link = federation.link("north");
  SECTION("nobody expects it") {
    const auto uploaded = link->upload(kKey, words_of(100), {});
    REQUIRE_FALSE(uploaded);
    CHECK(uploaded.error().code == ErrorCode::kFailedPrecondition);
  }
  SECTION("too many words") {
    expect_upload(federation, "north", 99);
    const auto uploaded = link->upload(kKey, words_of(100), {});
    REQUIRE_FALSE(uploaded);
    CHECK(uploaded.error().message.find("expected 99 words, found 100") != std::string::npos);
  }
  SECTION("another site's session") {
    expect_upload(federation, "south", 100);
    CHECK_FALSE(link->upload(kKey, words_of(100), {}));
  }
  CHECK_FALSE(std::filesystem::exists(federation.spool() / "north"));
  CHECK(federation.handler.vectors.empty());
}

TEST_CASE("a transfer ends at once when it is asked to stop, and when the link is closed") {
  Federation federation;
  Relay cable(Relay::Kind::kCable, federation.port());
  auto link = federation.link("north", cable.port());
  const auto words = words_of(kWords);
  expect_upload(federation, "north", kWords);
  const auto digest = federation.blob(kBytes);
  cable.freeze();
  std::stop_source stop;
  std::jthread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    stop.request_stop();
  });
  SECTION("an upload") { CHECK(link->upload(kKey, words, stop.get_token()).error().code == ErrorCode::kCancelled); }
  SECTION("a fetch") {
    const auto fetched = link->fetch(digest, kBytes, federation.folder / "model", stop.get_token());
    CHECK(fetched.error().code == ErrorCode::kCancelled);
  }
  SECTION("the link") {
    std::jthread closing([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      link->stop();
    });
    CHECK(link->upload(kKey, words, {}).error().code == ErrorCode::kCancelled);
  }
}

TEST_CASE("several sites upload at once, and a site's old spools make room") {
  Federation federation;
  const auto words = words_of(300'000);
  std::vector<std::jthread> uploads;
  std::atomic<int> done = 0;
  for (const std::string site : {"north", "south", "east", "west"}) {
    federation.enroll(pki::Role::kSite, site);
    expect_upload(federation, site, words.size());
    uploads.emplace_back([&federation, &words, &done, site] {
      if (federation.link(site)->upload(kKey, words, {})) ++done;
    });
  }
  uploads.clear();
  CHECK(done == 4);

  for (int index = 0; index < 9; ++index)
    pki::write_text(federation.spool() / "north" / ("old" + std::to_string(index) + ".part"), "x");
  const job::SessionKey next{"chest-xray-1", job::SumKind::kTrain, 4, 1};
  federation.handler.board.post([&] { federation.handler.expected[upload_name("north", next)] = words.size(); });
  REQUIRE(federation.link("north")->upload(next, words, {}));
  const auto folder = std::filesystem::directory_iterator(federation.spool() / "north");
  CHECK(std::distance(begin(folder), end(folder)) == 3);
}
