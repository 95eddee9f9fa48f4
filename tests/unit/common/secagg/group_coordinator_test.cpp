#include "common/secagg/group_coordinator.h"

#include "common/secagg/group_transcript.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/group_bench.h"

namespace consilium::secagg {
namespace {

using Catch::Contains;

const QuickConsortium kFour(4);

}  // namespace

TEST_CASE("the coordinator hands everybody all adverts once all are there, and counts vectors") {
  GroupBench bench(kFour, {});
  GroupCoordinator& coordinator = bench.coordinator();
  for (const std::size_t site : {3U, 1U, 0U}) CHECK(bench.advertise(site).messages.empty());
  CHECK(coordinator.awaited() == std::set<std::string>{"site-002"});
  CHECK_FALSE(coordinator.admits_upload("site-000"));
  const auto output = bench.advertise(2);
  CHECK(coordinator.phase() == GroupPhase::kUploading);
  REQUIRE(output.messages.size() == 4);
  GroupAdvertList all;
  for (std::size_t site = 0; site < 4; ++site) all.adverts.push_back(bench.site(site).advert());
  for (std::size_t site = 0; site < 4; ++site) {
    CHECK(output.messages[site].site == Consortium::name(site));
    CHECK(output.messages[site].message == all);
  }
  CHECK(coordinator.cohort() == cohort_context(bench.context(), all));
  for (const std::size_t site : {2U, 0U, 3U}) {
    CHECK(coordinator.admits_upload(Consortium::name(site)));
    coordinator.uploaded(Consortium::name(site));
    CHECK_FALSE(coordinator.admits_upload(Consortium::name(site)));
    coordinator.uploaded(Consortium::name(site));  // sent twice
    CHECK(coordinator.phase() == GroupPhase::kUploading);
  }
  coordinator.uploaded("site-001");
  CHECK(coordinator.phase() == GroupPhase::kComplete);
  CHECK(coordinator.awaited().empty());
}

TEST_CASE("a member that is lost before its upload fails the attempt by name, and after it nothing happens") {
  for (const bool advertised : {false, true}) {
    GroupBench bench(kFour, {});
    if (advertised) bench.advertise(1);
    bench.coordinator().lose("site-001");
    CHECK(bench.coordinator().phase() == GroupPhase::kFailed);
    CHECK(bench.coordinator().failure().message ==
          "site-001 left before the keys were agreed on; the sum needs every member of its group");
    CHECK(bench.advertise(2).messages.empty());
  }
  GroupBench bench(kFour, {});
  bench.advertise_all();
  bench.coordinator().uploaded("site-001");
  bench.coordinator().lose("site-001");
  bench.coordinator().lose("a stranger");
  CHECK(bench.coordinator().phase() == GroupPhase::kUploading);
  bench.coordinator().lose("site-002");
  CHECK(bench.coordinator().phase() == GroupPhase::kFailed);
  CHECK(bench.coordinator().failure().message ==
        "site-002 left before its vector arrived; the sum needs every member of its group");
  CHECK_FALSE(bench.coordinator().admits_upload("site-000"));
}

TEST_CASE("a sum that is complete can't be lost any more") {
  GroupBench bench(kFour, {});
  bench.advertise_all();
  for (const std::string& name : kFour.names()) bench.coordinator().uploaded(name);
  bench.coordinator().lose("site-000");
  CHECK(bench.coordinator().close_phase().lost.empty());
  CHECK(bench.coordinator().phase() == GroupPhase::kComplete);
}

TEST_CASE("a phase that lasts too long fails and names who was awaited") {
  GroupBench advertising(kFour, {});
  advertising.advertise(0);
  advertising.advertise(2);
  auto output = advertising.coordinator().close_phase();
  REQUIRE(output.lost.size() == 2);
  CHECK(output.lost[0].site == "site-001");
  CHECK(output.lost[1].site == "site-003");
  CHECK(output.lost[1].error.code == ErrorCode::kDeadlineExceeded);
  CHECK(advertising.coordinator().failure().message ==
        "no answer while advertising from site-001, site-003; the sum needs every member of its group");

  GroupBench uploading(kFour, {});
  uploading.advertise_all();
  uploading.coordinator().uploaded("site-000");
  output = uploading.coordinator().close_phase();
  CHECK(output.lost.size() == 3);
  CHECK(uploading.coordinator().phase() == GroupPhase::kFailed);
  CHECK(uploading.coordinator().close_phase().lost.empty());
}

TEST_CASE("an advert that the other members would refuse fails the attempt and names its sender alone") {
  const auto refusal = [](const auto& change) {
    GroupBench bench(kFour, {});
    bench.advertise(0);
    GroupAdvert advert = bench.site(1).advert();
    change(advert, bench);
    const auto output = bench.send(1, advert);
    REQUIRE(output.lost.size() == 1);
    CHECK(output.lost[0].site == "site-001");
    CHECK(bench.coordinator().phase() == GroupPhase::kFailed);
    CHECK_THAT(bench.coordinator().failure().message, Contains("the advert of site-001 was refused: "));
    return output.lost[0].error.message;
  };
  CHECK(refusal([](auto& advert, auto&) { advert.site = "site-002"; }) == "advert of 'site-002', sent by site-001");
  CHECK(refusal([](auto& advert, auto&) { advert.certificate = "site-002"; }) == "a certificate of site-002");
  CHECK(refusal([](auto& advert, auto&) { advert.number += 1; }) == "the signature isn't that of site-001");
  CHECK(refusal([](auto& advert, auto& bench) {
          advert.seen.pop_back();
          sign(kFour, 1, advert, bench.context());
        }) == "it names 2 other members, expected 3");
  CHECK(refusal([](auto& advert, auto& bench) {
          advert.mask_key = bench.site(0).advert().mask_key;
          advert.mask_key[31] ^= 0x80;
          sign(kFour, 1, advert, bench.context());
        }) == "its key is that of another member");
  CHECK_THAT(refusal([](auto& advert, auto& bench) {
               advert.mask_key = {1};
               sign(kFour, 1, advert, bench.context());
             }),
             Contains("small order"));
}

TEST_CASE("adverts of strangers, late ones and repeated ones change nothing") {
  GroupBench bench(kFour, {});
  bench.advertise(0);
  CHECK(bench.coordinator().receive("site-009", bench.site(1).advert()).lost.empty());
  CHECK(bench.coordinator().receive("site-000", bench.site(1).advert()).lost.empty());  // sent twice
  CHECK(bench.coordinator().awaited().size() == 3);
  for (const std::size_t site : {1U, 2U, 3U}) bench.advertise(site);
  CHECK(bench.advertise(1).messages.empty());
  CHECK(bench.coordinator().phase() == GroupPhase::kUploading);
}

TEST_CASE("an attempt over a group of the wrong size fails before anybody is asked") {
  GroupCoordinator small({{}, {"east", "north"}, 1}, kFour.authenticator());
  CHECK(small.phase() == GroupPhase::kFailed);
  CHECK(small.failure().message == "the group has 2 sites; expected 3 to 128 if 1 may collude");
  GroupCoordinator none({{}, {}, 0}, kFour.authenticator());
  CHECK(none.phase() == GroupPhase::kFailed);
}

TEST_CASE("phases have names") {
  CHECK(name_of(GroupPhase::kAdvertising) == "advertising");
  CHECK(name_of(GroupPhase::kUploading) == "uploading");
  CHECK(name_of(GroupPhase::kComplete) == "complete");
  CHECK(name_of(GroupPhase::kFailed) == "failed");
}

}  // namespace consilium::secagg
