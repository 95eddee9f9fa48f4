#include "common/process/event_queue.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/catch.h"

using consilium::process::EventQueue;
using namespace std::chrono_literals;

TEST_CASE("a full queue holds up whoever waits for room, until its owner has taken a value") {
  EventQueue<int> queue(2);
  std::atomic<int> posted = 0;
  std::jthread peer([&] {
    for (int value = 1; value <= 5; ++value) {
      if (queue.post_when_room(value)) posted = value;
    }
  });
  while (posted < 2) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(50ms);
  CHECK(posted == 2);
  for (int value = 1; value <= 5; ++value) CHECK(queue.take() == value);  // all of them, in their order
  peer.join();
  CHECK(posted == 5);
}

TEST_CASE("closing a full queue ends every wait for room") {
  EventQueue<int> queue(1);
  REQUIRE(queue.post_when_room(1));
  std::atomic<int> refused = 0;
  {
    std::jthread first([&] { refused += queue.post_when_room(2) ? 0 : 1; });
    std::jthread second([&] { refused += queue.post_when_room(3) ? 0 : 1; });
    std::this_thread::sleep_for(20ms);
    queue.close();
  }
  CHECK(refused == 2);
  CHECK_FALSE(queue.take().has_value());
  CHECK_FALSE(queue.post_when_room(4));
}

TEST_CASE("a full queue takes nothing more if there's room alone, and everything that its owner posts") {
  EventQueue<int> queue(2);
  CHECK(queue.post_if_room(1));
  CHECK(queue.post(2));
  CHECK_FALSE(queue.post_if_room(3));
  CHECK(queue.post(4));  // by the owner, for which nobody makes room
  CHECK(queue.take() == 1);
  CHECK_FALSE(queue.post_if_room(5));
  CHECK(queue.take() == 2);
  CHECK(queue.post_if_room(6));
  CHECK(queue.take() == 4);
  CHECK(queue.take() == 6);
}
