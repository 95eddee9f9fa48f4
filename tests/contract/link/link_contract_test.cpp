#include <algorithm>
#include <future>
#include <thread>

#include "common/wire/messages.h"
#include "tests/catch.h"
#include "tests/contract/link/federation_fixture.h"
#include "tests/contract/link/relay.h"

using namespace consilium;
using namespace consilium::testing;

namespace {

const wire::SiteHello kHello{"consilium-client 0.1.0", {"chest"}};
const job::SessionKey kContractKey{"chest-xray-1", job::SumKind::kTrain, 3, 1};

/// Makes a site send hello whenever it is connected, and waits until the coordinator has received it.
struct Attending {
  Federation& federation;
  std::string site;
  RecordingEvents events;
  std::unique_ptr<transport::CoordinatorLink> link;

  Attending(Federation& where, const std::string& name, int port = 0)
      : federation(where), site(name), link(where.link(name, port)) {
    auto told = events.events();
    told.connected = [this, counted = told.connected](std::string coordinator) {
      REQUIRE(link->send(kHello));
      counted(std::move(coordinator));
    };
    link->start(std::move(told));
    REQUIRE(federation.handler.board.wait([&] { return federation.handler.connected.contains(site); }));
  }
  ~Attending() { link->stop(); }
};

bool lost_with(RecordingEvents& events, ErrorCode code, const std::string& part) {
  return events.board.wait([&] {
    return std::any_of(events.lost.begin(), events.lost.end(), [&](const Error& error) {
      return error.code == code && error.message.find(part) != std::string::npos;
    });
  });
}

}  // namespace

TEST_CASE("messages travel both ways on a site's stream, in order") {
  Federation federation;
  Attending north(federation, "north");
  CHECK(federation.handler.board.read([&] { return federation.handler.connected.at("north"); }) == kHello);
  CHECK(north.events.board.wait([&] { return north.events.coordinator == "spiffe://lung/coordinator/hub"; }));

  for (unsigned round = 1; round <= 50; ++round) {
    REQUIRE(north.link->send(wire::SessionPartial{{"job-1", job::SumKind::kTrain, round, 1}}));
    federation.service->send("north", wire::SessionClosed{{"job-1", job::SumKind::kTrain, round, 1}, "round is over"});
  }
  REQUIRE(federation.handler.board.wait([&] { return federation.handler.messages.size() == 50; }));
  REQUIRE(north.events.board.wait([&] { return north.events.received.size() == 50; }));
  for (unsigned round = 1; round <= 50; ++round) {
    CHECK(std::get<wire::SessionPartial>(federation.handler.messages[round - 1].second).key.round == round);
    CHECK(std::get<wire::SessionClosed>(north.events.received[round - 1]).key.round == round);
  }
}

TEST_CASE("the largest messages pass: a job and a round order of 1 MiB each") {
  Federation federation;
  Attending north(federation, "north");
  federation.service->send(
      "north",
      wire::JobOffer{"job-1", std::string(1 << 20, 'x'), {"spiffe://lung/coordinator/hub", 1, "c", {std::byte{1}}}});
  federation.service->send("north", wire::SessionOffer{kContractKey, std::vector<std::byte>(1 << 20), 7});
  REQUIRE(north.events.board.wait([&] { return north.events.received.size() == 2; }));
  CHECK(std::get<wire::JobOffer>(north.events.received[0]).spec.size() == 1 << 20);
  CHECK(std::get<wire::SessionOffer>(north.events.received[1]).order.size() == 1 << 20);
}

TEST_CASE("a revoked site's open stream is ended with the reason, and the others' stay") {
  Federation federation;
  Attending north(federation, "north");
  Attending south(federation, "south");
  federation.revoke(pki::Role::kSite, "north");
  CHECK(lost_with(north.events, ErrorCode::kUnauthenticated, "revoked"));
  CHECK(federation.handler.board.wait([&] { return !federation.handler.connected.contains("north"); }));
  CHECK(south.events.board.read([&] { return south.events.lost.empty(); }));
  CHECK(federation.handler.board.read([&] { return federation.handler.left; }) == std::vector<std::string>{"north"});
}

TEST_CASE("a site ends its open stream to a coordinator that was revoked, and opens no other") {
  Federation federation;
  Attending north(federation, "north");
  federation.revoke(pki::Role::kCoordinator, "hub");
  CHECK(lost_with(north.events, ErrorCode::kUnauthenticated, "the site ends the stream: "));
  CHECK(lost_with(north.events, ErrorCode::kUnauthenticated, "certificate revoked"));
  CHECK(federation.handler.board.wait([&] { return !federation.handler.connected.contains("north"); }));
  CHECK(north.events.board.wait([&] { return north.events.lost.size() >= 2; }));
  CHECK(north.events.board.read([&] { return north.events.connected; }) == 1);
}

TEST_CASE("a site that takes its time with a message holds the coordinator up, and keeps few messages in its memory") {
  Federation federation;
  RecordingEvents events;
  std::promise<void> gate;
  auto link = federation.link("north");
  auto told = events.events();
  told.connected = [&](const std::string&) { REQUIRE(link->send(kHello)); };
  told.received = [&, held = gate.get_future().share(), record = told.received](wire::CoordinatorMessage message) {
    held.wait();
    record(std::move(message));
  };
  link->start(std::move(told));
  REQUIRE(federation.handler.board.wait([&] { return federation.handler.connected.contains("north"); }));
  constexpr std::size_t kSent = 400;  // of half a MiB
  for (std::size_t i = 0; i < kSent; ++i) {
    federation.service->send(
        "north",
        wire::JobOffer{"job-1", std::string(1 << 19, 'x'), {"spiffe://lung/coordinator/hub", 1, "c", {std::byte{1}}}});
    std::this_thread::sleep_for(std::chrono::milliseconds(4));
  }
  // The coordinator's own queue is full, so it drops the site.
  CHECK(federation.handler.board.wait([&] { return !federation.handler.left.empty(); }));
  gate.set_value();
  CHECK(events.board.wait([&] { return !events.lost.empty(); }));
  CHECK(events.board.read([&] { return events.received.size(); }) < kSent / 4);
  link->stop();
}

TEST_CASE("a second stream of the same site is refused while the first lives, and let in when it has ended") {
  Federation federation;
  auto first = std::make_unique<Attending>(federation, "north");
  RecordingEvents second_events;
  auto second = federation.link("north");
  second->start(second_events.events());
  CHECK(lost_with(second_events, ErrorCode::kAlreadyExists, "north is already connected"));
  CHECK(first->link->send(wire::SessionPartial{kContractKey}));
  first.reset();
  CHECK(second_events.board.wait([&] { return second_events.connected == 1; }));
  second->stop();
}

TEST_CASE("a site whose network died silently is let in again once keepalive has found its first stream dead") {
  Federation federation;
  Relay cable(Relay::Kind::kCable, federation.port());
  Attending first(federation, "north", cable.port());
  cable.freeze();
  RecordingEvents second_events;
  auto second = federation.link("north");
  second->start(second_events.events());
  CHECK(lost_with(second_events, ErrorCode::kAlreadyExists, "already connected"));
  CHECK(second_events.board.wait([&] { return second_events.connected == 1; }));
  CHECK(federation.handler.board.wait([&] { return !federation.handler.left.empty(); }));
  second->stop();
}

TEST_CASE("a site connects again by itself after the coordinator's restart") {
  Federation federation;
  Attending north(federation, "north");
  federation.stop();
  CHECK(lost_with(north.events, ErrorCode::kUnavailable, "shutting down"));
  CHECK_FALSE(north.link->send(wire::SessionPartial{kContractKey}));
  federation.restart();
  CHECK(federation.handler.board.wait([&] { return federation.handler.connected.contains("north"); }));
  federation.service->send("north", wire::JobEnded{"job-1", "finished"});
  CHECK(north.events.board.wait([&] { return north.events.received.size() == 1; }));
}

TEST_CASE("a site that says something before hello, or hello twice, is cut off with the reason") {
  Federation federation;
  RecordingEvents events;
  auto link = federation.link("north");
  auto told = events.events();
  SECTION("something before hello") {
    told.connected = [&](const std::string&) { static_cast<void>(link->send(wire::SessionPartial{kContractKey})); };
    link->start(std::move(told));
    CHECK(lost_with(events, ErrorCode::kInvalidArgument, "expected hello"));
    CHECK(federation.handler.messages.empty());
  }
  SECTION("hello twice") {
    told.connected = [&](const std::string&) {
      static_cast<void>(link->send(kHello));
      static_cast<void>(link->send(kHello));
    };
    link->start(std::move(told));
    CHECK(lost_with(events, ErrorCode::kInvalidArgument, "second hello"));
  }
  link->stop();
}

TEST_CASE("a site refuses a coordinator of another root") {
  Federation federation;
  Federation other;
  const Member member = federation.enroll(pki::Role::kSite, "north");
  auto link = transport::make_grpc_link(federation.link_config(member, "north", other.port())).value();
  RecordingEvents events;
  link->start(events.events());
  CHECK(events.board.wait([&] { return events.lost.size() >= 2; }));
  CHECK(events.connected == 0);
  link->stop();
}

TEST_CASE("a link goes through an HTTP CONNECT proxy, and bulk data with it") {
  Federation federation;
  Relay proxy(Relay::Kind::kConnectProxy);
  auto config = federation.link_config(federation.enroll(pki::Role::kSite, "north"), "north");
  config.coordinator = "localhost:" + std::to_string(federation.port());
  config.proxy = "http://127.0.0.1:" + std::to_string(proxy.port());
  auto link = transport::make_grpc_link(config).value();
  RecordingEvents events;
  link->start(events.events());
  REQUIRE(events.board.wait([&] { return events.connected == 1; }));
  CHECK(proxy.connect_target() == config.coordinator);
  const auto digest = federation.blob(3'000'000);
  CHECK(link->fetch(digest, 3'000'000, federation.folder / "model", {}));
  CHECK(proxy.connections() == 1);
  link->stop();
}

TEST_CASE("a proxy that is no http://host:port is refused by name") {
  Federation federation;
  auto config = federation.link_config(federation.enroll(pki::Role::kSite, "north"), "north");
  for (const char* proxy : {"socks://host:1", "http://", "http://host", "http://host:", "http://host:port", "host:3128",
                            "anna:s3cret@host:3128"}) {
    config.proxy = proxy;
    const auto link = transport::make_grpc_link(config);
    REQUIRE_FALSE(link);
    CHECK(link.error().message.find("proxy: expected http://host:port") != std::string::npos);
    CHECK(link.error().message.find("s3cret") == std::string::npos);
  }
}

TEST_CASE("two hundred idle streams stay open, and each hears what is meant for it") {
  Federation federation;
  constexpr std::size_t kSites = 200;
  std::vector<std::unique_ptr<RecordingEvents>> events;
  std::vector<std::unique_ptr<transport::CoordinatorLink>> links;
  for (std::size_t index = 0; index < kSites; ++index) {
    links.push_back(federation.link("site-" + std::to_string(index)));
    events.push_back(std::make_unique<RecordingEvents>());
    auto told = events.back()->events();
    told.connected = [link = links.back().get()](const std::string&) { static_cast<void>(link->send(kHello)); };
    links.back()->start(std::move(told));
  }
  auto& handler = federation.handler;
  REQUIRE(handler.board.wait([&] { return handler.connected.size() == kSites; }));
  for (std::size_t index = 0; index < kSites; ++index) {
    federation.service->send("site-" + std::to_string(index),
                             wire::JobEnded{"job-" + std::to_string(index), "finished"});
  }
  for (std::size_t index = 0; index < kSites; ++index) {
    REQUIRE(events[index]->board.wait([&] { return events[index]->received.size() == 1; }));
    CHECK(std::get<wire::JobEnded>(events[index]->received[0]).job_id == "job-" + std::to_string(index));
  }
  for (auto& link : links) link->stop();
  CHECK(handler.board.wait([&] { return handler.connected.empty(); }));
}

TEST_CASE("a shutdown does not wait for the streams that are open") {
  Federation federation;
  Attending north(federation, "north");
  federation.service->shutdown(std::chrono::minutes(10));
  CHECK(north.events.board.wait([&] { return !north.events.lost.empty(); }));
}
