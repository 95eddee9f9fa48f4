#include "client/trainer_process/trainer_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <mutex>
#include <thread>

#include "tests/catch.h"
#include "tests/unit/client/trainer_process/fixtures.h"

using namespace consilium;
using namespace consilium::trainer;
using namespace std::chrono_literals;

TEST_CASE("a trainer is prepared, trains and evaluates, and stays warm between calls") {
  TrainerProcess trainer(echo({"--add", "2.5", "--examples", "17"}));
  CHECK(trainer.pid() == -1);
  const auto hello = trainer.start();
  REQUIRE(hello.has_value());
  CHECK(hello->software == "consilium-echo-trainer");
  const int pid = trainer.pid();
  REQUIRE(pid > 0);

  const auto prepared = trainer.prepare(prepare_request(), {});
  REQUIRE(prepared.has_value());
  CHECK(prepared->train_examples == 17);
  Vectors vectors;
  for (int round = 0; round < 3; ++round) {
    std::ranges::fill(vectors.delta.floats(), 0.0F);
    const auto trained = trainer.train(train_request(), vectors.global, vectors.delta, {}, {});
    REQUIRE(trained.has_value());
    CHECK(trained->epochs_done == 2);
    CHECK(std::ranges::all_of(vectors.delta.floats(), [](float x) { return x == 2.5F; }));
    vectors.global.floats()[0] = static_cast<float>(round);  // our own mapping stays writable
  }
  SharedVector counts =
      SharedVector::create(task::make_task({}, 2).value()->evaluation_elements() * sizeof(std::uint64_t)).value();
  counts.counts()[0] = 99;
  REQUIRE(trainer.evaluate(Evaluate{}, vectors.global, counts, {}).has_value());
  CHECK(counts.counts()[0] == 0);
  CHECK(trainer.pid() == pid);
  CHECK(trainer.peak_resident_bytes() > 100'000);
}

TEST_CASE("a dead trainer is started again by the next call, which prepares it by itself") {
  TrainerProcess trainer(echo({"--add", "1"}));
  Vectors vectors;
  REQUIRE(train_once(trainer, vectors).has_value());
  const int first = trainer.pid();
  SECTION("killed by somebody else") {
    ::kill(first, SIGKILL);
    while (trainer.pid() == first) std::this_thread::sleep_for(1ms);
  }
  SECTION("killed by its owner") { trainer.kill(); }
  CHECK(trainer.pid() == -1);
  std::ranges::fill(vectors.delta.floats(), 0.0F);
  REQUIRE(trainer.train(train_request(), vectors.global, vectors.delta, {}, {}).has_value());
  CHECK(vectors.delta.floats()[kParameters - 1] == 1.0F);
  CHECK(trainer.pid() != first);
}

TEST_CASE("the process is gone after its owner") {
  int pid = -1;
  {
    TrainerProcess trainer(echo({}));
    REQUIRE(trainer.start().has_value());
    pid = trainer.pid();
    CHECK(::kill(pid, 0) == 0);
  }
  CHECK(::kill(pid, 0) != 0);
}

TEST_CASE("a trainer that hangs dies with its daemon, however that ends") {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t daemon = fork();
  if (daemon == 0) {
    TrainerProcess trainer(rogue({"hang"}));
    Vectors vectors;
    if (!trainer.prepare(prepare_request(), {})) _exit(1);
    const int pid = trainer.pid();
    if (write(ends[1], &pid, sizeof pid) != sizeof pid) _exit(1);
    (void)trainer.train(train_request(), vectors.global, vectors.delta, {}, {});
    _exit(1);
  }
  int pid = -1;
  REQUIRE(read(ends[0], &pid, sizeof pid) == sizeof pid);
  REQUIRE(::kill(pid, 0) == 0);
  ::kill(daemon, SIGKILL);
  waitpid(daemon, nullptr, 0);
  close(ends[0]);
  close(ends[1]);
  const auto running = [pid] {
    std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
    std::string number;
    std::string name;
    std::string state;
    return static_cast<bool>(status >> number >> name >> state) && state != "Z" && state != "X";
  };
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (running() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(1ms);
  CHECK_FALSE(running());
}

TEST_CASE("a trainer outlives the thread that first called it") {
  TrainerProcess trainer(echo({}));
  std::jthread([&] { CHECK(trainer.start().has_value()); }).join();
  const int pid = trainer.pid();
  REQUIRE(trainer.prepare(prepare_request(), {}).has_value());
  CHECK(trainer.pid() == pid);
}

TEST_CASE("calls refuse what does not fit what was prepared") {
  TrainerProcess trainer(echo({}));
  Vectors vectors;
  const auto unprepared = trainer.train(train_request(), vectors.global, vectors.delta, {}, {});
  REQUIRE_FALSE(unprepared.has_value());
  CHECK(unprepared.error().code == ErrorCode::kFailedPrecondition);
  REQUIRE(trainer.prepare(prepare_request(), {}).has_value());
  SharedVector small = SharedVector::create(16).value();
  CHECK(trainer.train(train_request(), small, vectors.delta, {}, {}).error().message ==
        "training failed: shared memory of the global model: expected 4000 bytes, found 16");
  CHECK(trainer.train(train_request(), vectors.global, small, {}, {}).error().code == ErrorCode::kInvalidArgument);
  CHECK(trainer.evaluate(Evaluate{}, vectors.global, small, {}).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(trainer.train(train_request(), vectors.global, vectors.delta, {}, {}).has_value());
  CHECK(trainer.train(train_request(), vectors.delta, vectors.global, {}, {}).error().code ==
        ErrorCode::kInvalidArgument);
  CHECK(SharedVector::create(0).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("progress arrives in order before the answer") {
  TrainerProcess trainer(rogue({"progress"}));
  REQUIRE(trainer.prepare(prepare_request(), {}).has_value());
  Vectors vectors;
  std::vector<std::uint64_t> steps;
  const auto note = [&](const Progress& progress) { steps.push_back(progress.steps_done); };
  REQUIRE(trainer.train(train_request(), vectors.global, vectors.delta, note, {}).has_value());
  CHECK(steps == std::vector<std::uint64_t>{1, 2, 3, 4, 5});
}

TEST_CASE("a stop request leaves an obedient trainer alive and ends one that hangs") {
  const bool obeys = GENERATE(true, false);
  TrainerProcess trainer(rogue({obeys ? "obedient" : "hang"}));
  Vectors vectors;
  REQUIRE(trainer.prepare(prepare_request(), {}).has_value());
  const int pid = trainer.pid();
  std::stop_source source;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(20ms);
    source.request_stop();
  });
  const auto trained = trainer.train(train_request(), vectors.global, vectors.delta, {}, source.get_token());
  REQUIRE_FALSE(trained.has_value());
  CHECK(trained.error().code == ErrorCode::kCancelled);
  CHECK(trainer.pid() == (obeys ? pid : -1));
  CHECK((::kill(pid, 0) == 0) == obeys);
}

TEST_CASE("what a trainer prints reaches the log in printable lines") {
  auto config = rogue({"prints"});
  std::mutex mutex;
  std::vector<std::string> lines;
  config.log = [&](std::string_view line) {
    const std::lock_guard lock(mutex);
    lines.emplace_back(line);
  };
  {
    TrainerProcess trainer(config);
    REQUIRE(trainer.start().has_value());
  }
  CHECK(lines == std::vector<std::string>{"line one", "line[31m two"});
}

TEST_CASE("a program that cannot be run is named, with the system's reason") {
  TrainerConfig config;
  config.command = {"/nowhere/trainer"};
  const auto missing = TrainerProcess(config).start();
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK(missing.error().message ==
        "starting the trainer failed: trainer.command: cannot run '/nowhere/trainer': No such file or directory");
  config.command = {CONSILIUM_SOURCE_DIR "/CMakeLists.txt"};
  CHECK(TrainerProcess(config).start().error().code == ErrorCode::kPermissionDenied);
  config.command = {"no-such-trainer-in-path"};
  CHECK(TrainerProcess(config).start().error().code == ErrorCode::kNotFound);
  config.command = {};
  CHECK(TrainerProcess(config).start().error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("a program is found in PATH, and its folder need not be readable") {
  const std::string path = std::string(CONSILIUM_BIN_DIR) + ":" + std::getenv("PATH");
  const std::string before = std::getenv("PATH");
  setenv("PATH", path.c_str(), 1);
  auto config = echo({});
  config.command.front() = "consilium-echo-trainer";
  CHECK(TrainerProcess(config).start().has_value());
  setenv("PATH", before.c_str(), 1);
}

TEST_CASE("a site's own trainer in Python works as the document shows it") {
  if (!std::filesystem::exists("/usr/bin/python3")) return;
  TrainerConfig config;
  config.command = {CONSILIUM_SOURCE_DIR "/tests/trainers/python_trainer.py"};
  TrainerProcess trainer(config);
  Vectors vectors;
  const auto trained = train_once(trainer, vectors);
  if (!trained) FAIL(trained.error().message);
  CHECK(std::ranges::all_of(vectors.delta.floats(), [](float x) { return x == 0.25F; }));
  SharedVector counts =
      SharedVector::create(task::make_task({}, 2).value()->evaluation_elements() * sizeof(std::uint64_t)).value();
  CHECK(trainer.evaluate(Evaluate{}, vectors.global, counts, {}).error().message ==
        "evaluation failed: this trainer does not evaluate");
}
