// Each check runs the same hostile program twice: unconfined, where it must succeed, and confined, where it must not.
// If a mechanism is removed from the product, its check fails in the second half; a check that tests nothing fails in
// the first.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "client/trainer_process/landlock.h"
#include "tests/catch.h"
#include "tests/unit/client/trainer_process/probes.h"

using namespace consilium;
using namespace consilium::trainer;

namespace {

/// Opens a listening socket of a family. Returns its port number.
struct Listener {
  explicit Listener(int type) : socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    if (type == SOCK_STREAM) REQUIRE(listen(socket.get(), 8) == 0);
    REQUIRE(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = std::to_string(ntohs(address.sin_port));
  }
  Descriptor socket;
  std::string port;
};

}  // namespace

TEST_CASE("a trainer reads its data sets, and not the client's keys beside them") {
  const TemporaryFolder folder;
  const std::string key = folder.write("client.key", "-----BEGIN PRIVATE KEY-----").string();
  const std::string data = folder.write("chest.npz", "images").string();
  check_shut("read", key);
  check_shut("list", folder.path().string());
  check_shut("read", "/etc/passwd");
  CHECK(confined_probe("read", data, {data}) == "reached: images");
  CHECK_THAT(confined_probe("read", key, {data}), Catch::StartsWith("refused"));
}

TEST_CASE("a data set that is replaced by rename is read by the next job's trainer") {
  const TemporaryFolder folder;
  const std::string data = folder.write("chest.npz", "images").string();
  auto config = rogue({"probe-read", data});
  config.readable = {data};
  TrainerProcess trainer(config);
  const auto read = [&] { return trainer.prepare(prepare_request(), {}).error().message; };
  CHECK_THAT(read(), Catch::EndsWith("reached: images"));
  const int warm = trainer.pid();
  CHECK_THAT(read(), Catch::EndsWith("reached: images"));
  CHECK(trainer.pid() == warm);
  // Landlock's rule covers the old file, so the warm trainer can't read the new one.
  std::filesystem::rename(folder.write("new.npz", "newer images"), data);
  trainer.look_at_data_again();
  CHECK_THAT(read(), Catch::EndsWith("reached: newer images"));
}

TEST_CASE("a trainer reads what the links in a data set's folder lead to, and after a swap what they lead to then") {
  const TemporaryFolder annex, folder;
  std::filesystem::create_directories(folder.path() / "images");
  const std::string link = (folder.path() / "images/one.png").string();
  std::filesystem::create_symlink(annex.write("first", "images"), link);
  auto config = rogue({"probe-read", link});
  config.readable = {folder.path()};
  TrainerProcess trainer(config);
  const auto read = [&] { return trainer.prepare(prepare_request(), {}).error().message; };
  CHECK_THAT(read(), Catch::EndsWith("reached: images"));
  CHECK_THAT(confined_probe("list", annex.path().string(), {folder.path()}), Catch::StartsWith("refused"));
  std::filesystem::create_symlink(annex.write("second", "newer images"), folder.path() / "swap");
  std::filesystem::rename(folder.path() / "swap", link);
  trainer.look_at_data_again();
  CHECK_THAT(read(), Catch::EndsWith("reached: newer images"));
}

TEST_CASE("a link in a data set opens no secret of the client's to its trainer") {
  const TemporaryFolder keys, folder;
  std::filesystem::create_directories(keys.path() / "state");
  const std::string link = (folder.path() / "image.png").string();
  for (const std::filesystem::path& secret :
       {keys.write("north.key", "a key"), keys.write("state/site.secret", "bytes")}) {
    std::filesystem::remove(link);
    std::filesystem::create_symlink(secret, link);
    auto config = rogue({"probe-read", link});
    config.readable = {folder.path()};
    CHECK_THAT(TrainerProcess(config).prepare(prepare_request(), {}).error().message, Catch::Contains("reached"));
    config.secrets = {keys.path() / "north.key", keys.path() / "state"};
    CHECK_THAT(TrainerProcess(config).prepare(prepare_request(), {}).error().message, Catch::Contains("refused"));
  }
}

TEST_CASE("a trainer writes nowhere, its data sets included") {
  const TemporaryFolder folder;
  const std::string data = folder.write("chest.npz", "images").string();
  check_shut("write", (folder.path() / "new").string());
  CHECK_THAT(free_probe("write", data), Catch::StartsWith("reached"));
  CHECK_THAT(confined_probe("write", data, {folder.path()}), Catch::StartsWith("refused"));
  CHECK_THAT(free_probe("write", "/dev/shm/consilium-probe"), Catch::StartsWith("reached"));
  CHECK_THAT(confined_probe("write", "/dev/shm/consilium-probe"), Catch::StartsWith("refused"));
  unlink("/dev/shm/consilium-probe");
}

TEST_CASE("a trainer executes no other program") { check_shut("exec", "/bin/true"); }

TEST_CASE("a trainer has no network: no TCP, no UDP, no namespace of ours") {
  const Listener tcp(SOCK_STREAM);
  const Listener udp(SOCK_DGRAM);
  check_shut("tcp", tcp.port);
  check_shut("udp", udp.port);
  const std::string ours = std::filesystem::read_symlink("/proc/self/ns/net").string();
  CHECK(free_probe("network", "") == ours);
  CHECK(confined_probe("network", "") != ours);
}

TEST_CASE("a trainer opens no socket of a family that network namespaces don't hold, and no io_uring") {
  for (const int family : {AF_VSOCK, AF_ALG}) {
    // A kernel can lack the family, or the user the right to it. Then there is nothing to block.
    if (!free_probe("socket", std::to_string(family)).starts_with("reached")) continue;
    check_shut("socket", std::to_string(family));
  }
  CHECK(confined_probe("socket", std::to_string(AF_VSOCK)) == "refused: Operation not permitted");
  CHECK_THAT(confined_probe("socket", std::to_string(AF_UNIX)), Catch::StartsWith("reached"));
  CHECK(confined_probe("uring", "") == "refused: Operation not permitted");
}

TEST_CASE("a trainer reaches no abstract Unix socket") {
  const std::string name = "consilium-test-" + std::to_string(getpid());
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  REQUIRE(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(listen(socket.get(), 8) == 0);
  check_shut("abstract", name);
}

TEST_CASE("a trainer can neither trace, read nor signal a process outside") {
  const pid_t victim = fork();
  if (victim == 0) {
    while (true) pause();
  }
  const std::string pid = std::to_string(victim);
  check_shut("ptrace", pid);
  check_shut("memory", pid);
  check_shut("signal", pid);
  CHECK_THAT(confined_probe("memory", std::to_string(getpid())), Catch::StartsWith("refused"));
  kill(victim, SIGKILL);
  waitpid(victim, nullptr, 0);
}

TEST_CASE("a trainer inherits no descriptor but its socket and no variable but a few") {
  // No O_CLOEXEC: as a careless library opens a descriptor.
  const Descriptor opened(open("/etc/passwd", O_RDONLY));
  const Descriptor inherited(fcntl(opened.get(), F_DUPFD, 77));
  setenv("CONSILIUM_TEST_SECRET", "token", 1);
  CHECK_THAT(free_probe("descriptors", ""), Catch::Contains(std::to_string(inherited.get()) + " "));
  CHECK_THAT(free_probe("environment", ""), Catch::Contains("CONSILIUM_TEST_SECRET"));
  CHECK(confined_probe("descriptors", "") == "0 1 2 3 4 ");  // 4 is the probe's own
  const std::string environment = confined_probe("environment", "");
  CHECK_THAT(environment, !Catch::Contains("CONSILIUM_TEST_SECRET"));
  CHECK_THAT(environment, Catch::Contains("OMP_NUM_THREADS=1\nMALLOC_ARENA_MAX=2"));
  unsetenv("CONSILIUM_TEST_SECRET");
}

TEST_CASE("a trainer that is given a scratch file fills it up to its limit, and dies of a byte more") {
  const TemporaryFolder folder;
  const auto fill = [&](std::uint64_t bytes) {
    auto config = rogue({"probe-scratch", std::to_string(bytes)});
    config.scratch = folder.path();
    config.scratch_bytes = 1 << 20;
    const auto answer = TrainerProcess(config).prepare(prepare_request(), {});
    REQUIRE_FALSE(answer.has_value());
    CHECK(std::filesystem::is_empty(folder.path()));
    return answer.error().message;
  };
  CHECK_THAT(fill(1 << 20), Catch::EndsWith("reached: 1048576"));
  CHECK_THAT(fill((1 << 20) + 1), Catch::Contains("SIGXFSZ"));
  CHECK_THAT(confined_probe("scratch", "1"), Catch::StartsWith("refused"));
}

TEST_CASE("a trainer whose scratch file can't be made isn't started, and the error names the key and the folder") {
  auto config = rogue({"probe-scratch", "1"});
  config.scratch = "/missing/folder";
  const auto answer = TrainerProcess(config).start();
  REQUIRE_FALSE(answer.has_value());
  CHECK_THAT(answer.error().message,
             Catch::Contains("trainer.scratch: /missing/folder: cannot create an unnamed file"));
}

TEST_CASE("a trainer has no capability, can gain none, leaves no core and leads a session of its own") {
  const std::string status = confined_probe("privileges", "");
  CHECK_THAT(status, Catch::Contains("NoNewPrivs:\t1"));
  CHECK_THAT(status, Catch::Contains("CapPrm:\t0000000000000000"));
  CHECK_THAT(status, Catch::Contains("CapEff:\t0000000000000000"));
  CHECK_THAT(status, Catch::Contains("CapBnd:\t0000000000000000"));
  CHECK_THAT(status, Catch::Contains("core 0\nsession own"));
}

TEST_CASE("a trainer can neither change the global model nor resize what is shared") {
  TrainerProcess trainer(rogue({"attack-memory"}));
  Vectors vectors;
  const auto trained = train_once(trainer, vectors);
  REQUIRE_FALSE(trained.has_value());
  CHECK(trained.error().message == "training failed: nothing reached");
}
