#include "client/trainer/protocol/channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "tests/catch.h"

using namespace consilium;
using namespace consilium::trainer;
using namespace std::chrono_literals;

namespace {

struct Pair {
  RecordChannel host;
  RecordChannel trainer;
};

std::array<int, 2> socket_pair() {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  return ends;
}

Pair channel_pair() {
  const auto ends = socket_pair();
  return {RecordChannel(Descriptor(ends[0])), RecordChannel(Descriptor(ends[1]))};
}

std::string record_of(std::string_view body) {
  std::string bytes(4, '\0');
  const auto size = static_cast<std::uint32_t>(body.size());
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<char>((size >> (8 * i)) & 0xff);
  return bytes + std::string(body);
}

void write_all(int fd, std::string_view bytes) {
  REQUIRE(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

/// Sends one byte string together with `count` descriptors of /dev/null.
void send_with_descriptors(int socket, std::string bytes, std::size_t count) {
  std::vector<int> fds(count);
  for (int& fd : fds) fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  std::vector<char> control(CMSG_SPACE(count * sizeof(int)));
  iovec part{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  std::memcpy(CMSG_DATA(header), fds.data(), count * sizeof(int));
  REQUIRE(sendmsg(socket, &message, 0) == static_cast<ssize_t>(bytes.size()));
  for (const int fd : fds) close(fd);
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

}  // namespace

TEST_CASE("records arrive whole and in order, the largest too") {
  auto [host, trainer] = channel_pair();
  const std::string largest(kMaxRecordBytes, 'x');
  std::jthread sender([&host = host, &largest] {
    CHECK(host.send("first").has_value());
    CHECK(host.send(largest).has_value());
    CHECK(host.send("last").has_value());
  });
  for (const std::string& expected : {std::string("first"), largest, std::string("last")}) {
    const auto record = trainer.receive();
    REQUIRE(record.has_value());
    REQUIRE(record->has_value());
    CHECK((*record)->json == expected);
  }
}

TEST_CASE("a descriptor travels beside its own record, close-on-exec") {
  auto [host, trainer] = channel_pair();
  const Descriptor memory(memfd_create("vector", MFD_CLOEXEC));
  REQUIRE(ftruncate(memory.get(), 4096) == 0);
  const std::array<int, 2> both{memory.get(), memory.get()};
  REQUIRE(host.send("with two", both).has_value());
  REQUIRE(host.send("without").has_value());

  auto first = trainer.receive(0ms);
  REQUIRE((first.has_value() && first->has_value()));
  REQUIRE((*first)->descriptors.size() == 2);
  CHECK(lseek((*first)->descriptors[0].get(), 0, SEEK_END) == 4096);
  CHECK((fcntl((*first)->descriptors[1].get(), F_GETFD) & FD_CLOEXEC) != 0);
  auto second = trainer.receive(0ms);
  REQUIRE((second.has_value() && second->has_value()));
  CHECK((*second)->descriptors.empty());
}

TEST_CASE("a record that arrives byte by byte survives calls that ran out of time") {
  const auto ends = socket_pair();
  const Descriptor peer(ends[0]);
  RecordChannel channel{Descriptor(ends[1])};
  const std::string bytes = record_of("slow");
  for (const char byte : bytes.substr(0, bytes.size() - 1)) {
    write_all(peer.get(), std::string_view(&byte, 1));
    const auto nothing = channel.receive(0ms);
    REQUIRE_FALSE(nothing.has_value());
    REQUIRE(nothing.error().code == ErrorCode::kDeadlineExceeded);
  }
  write_all(peer.get(), bytes.substr(bytes.size() - 1));
  CHECK(channel.readable());
  const auto record = channel.receive(0ms);
  REQUIRE((record.has_value() && record->has_value()));
  CHECK((*record)->json == "slow");
  CHECK_FALSE(channel.readable());
}

TEST_CASE("the peer's end between records is told from an end within one") {
  const auto ends = socket_pair();
  Descriptor peer(ends[0]);
  RecordChannel channel{Descriptor(ends[1])};
  SECTION("between") {
    write_all(peer.get(), record_of("bye"));
    peer.close();
    CHECK(channel.receive().value().value().json == "bye");
    const auto end = channel.receive();
    REQUIRE(end.has_value());
    CHECK_FALSE(end->has_value());
  }
  SECTION("within the length") {
    write_all(peer.get(), record_of("bye").substr(0, 2));
    peer.close();
    CHECK(channel.receive().error().code == ErrorCode::kDataLoss);
  }
  SECTION("within the body") {
    write_all(peer.get(), record_of("bye").substr(0, 6));
    peer.close();
    CHECK(channel.receive().error().code == ErrorCode::kDataLoss);
  }
}

TEST_CASE("a length of zero or beyond the limit is refused before anything is allocated") {
  const auto ends = socket_pair();
  const Descriptor peer(ends[0]);
  RecordChannel channel{Descriptor(ends[1])};
  SECTION("zero") { write_all(peer.get(), std::string(4, '\0')); }
  SECTION("one too many") { write_all(peer.get(), std::string("\x01\x00\x10\x00", 4)); }
  SECTION("four gigabytes") { write_all(peer.get(), "\xff\xff\xff\xff"); }
  const auto record = channel.receive();
  REQUIRE_FALSE(record.has_value());
  CHECK(record.error().code == ErrorCode::kDataLoss);
}

TEST_CASE("more than two descriptors are refused and none of them stays open") {
  const auto ends = socket_pair();
  const Descriptor peer(ends[0]);
  RecordChannel channel{Descriptor(ends[1])};
  const std::size_t before = open_descriptors();
  SECTION("beside one message") { send_with_descriptors(peer.get(), record_of("greedy"), 40); }
  SECTION("spread over one record") {
    const std::string bytes = record_of("greedy");
    send_with_descriptors(peer.get(), bytes.substr(0, 4), 2);
    send_with_descriptors(peer.get(), bytes.substr(4), 1);
  }
  const auto record = channel.receive();
  REQUIRE_FALSE(record.has_value());
  CHECK(record.error().code == ErrorCode::kDataLoss);
  CHECK(open_descriptors() == before);
}

TEST_CASE("a stop request ends a wait, and the channel works on") {
  auto [host, trainer] = channel_pair();
  std::stop_source source;
  std::jthread stopper([&] { source.request_stop(); });
  const auto stopped = host.receive(RecordChannel::kForever, source.get_token());
  REQUIRE_FALSE(stopped.has_value());
  CHECK(stopped.error().code == ErrorCode::kCancelled);
  REQUIRE(trainer.send("still here").has_value());
  CHECK(host.receive().value().value().json == "still here");
}

TEST_CASE("sending to a peer that left is an error, not a signal; so is too much") {
  auto [host, trainer] = channel_pair();
  CHECK(host.send("").error().code == ErrorCode::kResourceExhausted);
  CHECK(host.send(std::string(kMaxRecordBytes + 1, 'x')).error().code == ErrorCode::kResourceExhausted);
  const std::array<int, 3> three{0, 1, 2};
  CHECK(host.send("x", three).error().code == ErrorCode::kInvalidArgument);
  { const RecordChannel left = std::move(trainer); }
  CHECK(host.send("anyone?").error().code == ErrorCode::kUnavailable);
}
