// consilium-rogue-trainer MODE [TARGET] --socket-fd N ...: a trainer that speaks the protocol up to the point that MODE
// names, and misbehaves there. Modes before Hello, on Prepare ("probe-..." reports what it could reach), on Train.

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "client/trainer/protocol/channel.h"
#include "tests/trainers/rogue_probes.h"

using namespace consilium;
using namespace consilium::trainer;
using namespace std::chrono_literals;

namespace {

std::string mode;
std::string target;

[[noreturn]] void hang() {
  while (true) std::this_thread::sleep_for(1h);
}

[[noreturn]] void eat_memory() {
  std::vector<char*> eaten;
  while (true) {
    constexpr std::size_t kPiece = 4 << 20;
    char* piece = static_cast<char*>(std::malloc(kPiece));
    if (piece == nullptr) std::abort();
    std::memset(piece, 1, kPiece);
    eaten.push_back(piece);
    std::this_thread::sleep_for(1ms);
  }
}

/// Lets a child in a session of its own consume the memory.
[[noreturn]] void let_child_eat_memory() {
  const pid_t child = fork();
  if (child < 0) {
    std::perror("fork");
    std::exit(5);
  }
  if (child == 0) {
    setsid();
    eat_memory();
  }
  hang();
}

[[noreturn]] void start_threads() {
  while (true) std::thread(hang).detach();
}

void call_foreign_table() {
#if defined(__x86_64__)
  if (target == "x32") syscall(0x40000000L + SYS_getpid);
  int result = SYS_getpid;  // any number of the i386 table
  if (target == "i386") __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
#endif
}

void send_raw(const RecordChannel& channel, std::string_view bytes) {
  [[maybe_unused]] const auto sent = ::send(channel.descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

float* map_floats(const Descriptor& memory, std::size_t& count, int protection) {
  struct stat status {};
  if (fstat(memory.get(), &status) != 0) return nullptr;
  count = static_cast<std::size_t>(status.st_size) / sizeof(float);
  void* data = mmap(nullptr, count * sizeof(float), protection, MAP_SHARED, memory.get(), 0);
  return data == MAP_FAILED ? nullptr : static_cast<float*>(data);
}

/// Tries every way to change the global model, and to resize the delta.
std::string attack_memory(const Record& record) {
  std::size_t count = 0;
  const Descriptor& global = record.descriptors.at(0);
  std::string reached;
  if (map_floats(global, count, PROT_READ | PROT_WRITE) != nullptr) reached += "mapped ";
  if (pwrite(global.get(), "x", 1, 0) == 1) reached += "wrote ";
  const Descriptor again(open(("/proc/self/fd/" + std::to_string(global.get())).c_str(), O_RDWR));
  if (again && map_floats(again, count, PROT_READ | PROT_WRITE) != nullptr) reached += "remapped ";
  if (again && pwrite(again.get(), "x", 1, 0) == 1) reached += "rewrote ";
  const Descriptor& delta = record.descriptors.at(1);
  if (ftruncate(delta.get(), 0) == 0) reached += "shrank ";
  if (ftruncate(delta.get(), 1 << 20) == 0) reached += "grew ";
  return reached.empty() ? "nothing reached" : reached;
}

void wait_for_cancel(RecordChannel& channel) {
  for (std::uint64_t step = 0; !channel.readable(); ++step) {
    if (!channel.send(encode(Reply(Progress{step, step + 1})))) std::exit(1);
    std::this_thread::sleep_for(1ms);
  }
  [[maybe_unused]] const auto cancel = channel.receive();
  [[maybe_unused]] const auto sent = channel.send(encode(Reply(Failed{ErrorCode::kCancelled, "left"})));
}

void finish(RecordChannel& channel, std::uint32_t epochs) {
  if (!channel.send(encode(Reply(Trained{0.5, epochs, false, 0.0})))) std::exit(1);
}

void train(RecordChannel& channel, const Train& request, const Record& record) {
  if (mode == "segfault") {
    signal(SIGSEGV, SIG_DFL);  // a sanitizer would exit instead
    raise(SIGSEGV);
  }
  if (mode == "exit") std::exit(3);
  if (mode == "last-words") {
    std::fprintf(stderr, "first line\nlibtorch.so: cannot open\n");
    std::exit(4);
  }
  if (mode == "eat-memory") eat_memory();
  if (mode == "child-eats-memory") let_child_eat_memory();
  if (mode == "threads") start_threads();
  if (mode == "foreign-table") call_foreign_table();
  if (mode == "hang") hang();
  if (mode == "garbage") return send_raw(channel, std::string("\x05\0\0\0{{{{{", 9));
  if (mode == "oversized") return send_raw(channel, std::string("\xff\xff\xff\x7fx", 5));
  if (mode == "half") {
    send_raw(channel, std::string("\x40\0\0\0{\"type\"", 11));
    std::exit(0);
  }
  if (mode == "close-socket") {
    close(channel.descriptor());
    hang();
  }
  if (mode == "foreign-answer") {
    if (!channel.send(encode(Reply(Evaluated{1.0})))) std::exit(1);
    return;
  }
  if (mode == "not-a-number") {
    const std::string body = R"({"type":"trained","mean_loss":NaN,"epochs_done":1,"partial":false,"seconds":0})";
    return send_raw(channel, std::string{static_cast<char>(body.size()), 0, 0, 0} + body);
  }
  if (mode == "descriptors") {
    const std::array<int, 1> socket{channel.descriptor()};
    if (!channel.send(encode(Reply(Trained{0.5, 1, false, 0.0})), socket)) std::exit(1);
    return;
  }
  if (mode == "too-many-epochs") return finish(channel, request.local_epochs + 1);
  if (mode == "obedient") return wait_for_cancel(channel);
  if (mode == "attack-memory") {
    if (!channel.send(encode(Reply(Failed{ErrorCode::kInternal, attack_memory(record)})))) std::exit(1);
    return;
  }
  if (mode == "nan-delta") {
    std::size_t count = 0;
    float* delta = map_floats(record.descriptors.at(1), count, PROT_READ | PROT_WRITE);
    for (std::size_t i = 0; i < count; ++i) delta[i] = std::numeric_limits<float>::quiet_NaN();
  }
  if (mode == "progress") {
    for (std::uint64_t step = 1; step <= 5; ++step) {
      if (!channel.send(encode(Reply(Progress{step, 5})))) std::exit(1);
    }
  }
  if (mode == "talkative") {
    const std::string body = encode(Reply(Trained{0.5, request.local_epochs, false, 0.0}));
    const std::string bytes = std::string{static_cast<char>(body.size()), 0, 0, 0} + body;
    return send_raw(channel, bytes + bytes);
  }
  finish(channel, request.local_epochs);
}

void prepare(RecordChannel& channel, const Prepare& request) {
  Reply reply = Prepared{10, 0, 0, std::vector<std::uint64_t>(static_cast<std::size_t>(request.model.classes), 0)};
  std::get<Prepared>(reply).class_examples.front() = 10;
  if (mode == "wrong-classes") reply = Prepared{3, 0, 0, {1, 1, 1}};
  if (mode == "no-such-data") reply = Failed{ErrorCode::kInvalidArgument, "no such file"};
  if (mode.starts_with("probe-")) reply = Failed{ErrorCode::kInternal, rogue::probe(mode.substr(6), target)};
  if (!channel.send(encode(reply))) std::exit(1);
}

void greet(RecordChannel& channel) {
  Hello hello{kProtocolVersion, "rogue", "cpu", true};
  if (mode == "old-version") hello.protocol = kProtocolVersion + 6;
  if (mode == "says-unconfined") hello.sandboxed = false;
  if (mode == "silent") hang();
  if (mode == "dies-at-once") std::exit(7);
  if (mode == "prints") std::printf("line one\nline\x1b[31m two\n"), std::fflush(stdout);
  const std::string first = mode == "no-hello" ? encode(Reply(Evaluated{0.0})) : encode(Reply(hello));
  if (!channel.send(first)) std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  int socket = -1;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--socket-fd" && i + 1 < argc)
      socket = std::atoi(argv[++i]);
    else if (i == 1)
      mode = argv[i];
    else if (i == 2)
      target = argv[i];
  }
  if (socket < 0) return 2;
  RecordChannel channel{Descriptor(socket)};
  greet(channel);
  while (true) {
    const auto record = channel.receive();
    if (!record || !record->has_value()) return 0;
    const auto request = decode_request((*record)->json);
    if (!request) return 1;
    if (const auto* wanted = std::get_if<Prepare>(&*request)) prepare(channel, *wanted);
    if (const auto* wanted = std::get_if<Train>(&*request)) train(channel, *wanted, **record);
    if (std::holds_alternative<Evaluate>(*request) && !channel.send(encode(Reply(Evaluated{0.0})))) return 1;
  }
}
