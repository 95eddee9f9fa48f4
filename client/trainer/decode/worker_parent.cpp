#include "client/trainer/decode/worker_parent.h"

#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <thread>

#include "client/trainer/decode/decode_file.h"
#include "client/trainer/decode/decode_records.h"
#include "client/trainer/decode/decode_worker.h"

namespace consilium::decode {

namespace {

using namespace std::chrono_literals;
using trainer::Descriptor;
using trainer::RecordChannel;

[[noreturn]] void run_worker(Descriptor socket, int null) {
  RecordChannel channel(std::move(socket));  // creates descriptors, which a confined worker can't
  if (auto confined = confine_worker(null); !confined) _exit(1);
  _exit(serve_decode_requests(channel) ? 0 : 1);
}

/// How long a worker may take to end after its socket is closed. A worker that is busy with a file continues until its
/// CPU time is used up; it isn't waited for.
constexpr auto kEndGrace = 5s;
constexpr auto kEndInterval = 5ms;

/// The workers that were started and haven't ended, by number. A worker ends by itself when the trainer closes its
/// socket, and when this process ends. This class sends no signals, because the daemon's filter denies them.
class WorkerParent {
 public:
  WorkerParent(Descriptor socket, int null) : channel_(std::move(socket)), null_(null) {}

  Result<void> serve();

 private:
  Result<void> start();
  ParentReply await_end(std::uint64_t number);
  Result<void> refuse(std::string why);

  RecordChannel channel_;
  int null_;
  bool ready_ = false;
  std::map<std::uint64_t, pid_t> workers_;
  std::uint64_t next_ = 0;
};

Result<void> WorkerParent::refuse(std::string why) {
  return channel_.send(encode(ParentReply(Error{ErrorCode::kResourceExhausted, std::move(why)})));
}

Result<void> WorkerParent::start() {
  if (!ready_) {  // only at the first worker, because a trainer may never open an image
    if (auto set_up = set_up_libraries(); !set_up) return refuse(set_up.error().message);
    ready_ = true;
  }
  if (workers_.size() >= kMaxWorkers) return refuse(fmt::format("the decoder already has {} workers", kMaxWorkers));
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return refuse(fmt::format("the decoder's socket: {}", std::strerror(errno)));
  }
  Descriptor ours(ends[0]);
  Descriptor theirs(ends[1]);
  const pid_t process = fork();
  if (process == 0) {
    ours.close();
    ::close(channel_.descriptor());
    run_worker(std::move(theirs), null_);
  }
  if (process < 0) return refuse(fmt::format("a worker of the decoder: {}", std::strerror(errno)));
  theirs.close();
  const std::uint64_t number = next_++;
  workers_.emplace(number, process);
  const std::array descriptors{ours.get()};
  return channel_.send(encode(ParentReply(WorkerStarted{number})), descriptors);
}

ParentReply WorkerParent::await_end(std::uint64_t number) {
  const auto found = workers_.find(number);
  if (found == workers_.end()) return Error{ErrorCode::kInvalidArgument, "the decoder has no such worker"};
  const auto deadline = std::chrono::steady_clock::now() + kEndGrace;
  int status = 0;
  while (true) {
    const pid_t ended = waitpid(found->second, &status, WNOHANG);
    if (ended == found->second) break;
    if ((ended < 0 && errno != EINTR) || std::chrono::steady_clock::now() >= deadline) {
      return Error{ErrorCode::kResourceExhausted, "the worker doesn't end"};
    }
    std::this_thread::sleep_for(kEndInterval);
  }
  workers_.erase(found);
  WorkerEnded ended{number, 0, 0};
  if (WIFSIGNALED(status)) ended.signal = static_cast<std::uint64_t>(WTERMSIG(status));
  if (WIFEXITED(status)) ended.status = static_cast<std::uint64_t>(WEXITSTATUS(status));
  return ended;
}

Result<void> WorkerParent::serve() {
  while (true) {
    CONSILIUM_ASSIGN(const auto record, channel_.receive());
    if (!record) return {};
    CONSILIUM_ASSIGN(const ParentRequest request, parse_parent_request(record->json));
    if (const auto* wanted = std::get_if<EndWorker>(&request)) {
      CONSILIUM_TRY(channel_.send(encode(await_end(wanted->worker))));
    } else {
      CONSILIUM_TRY(start());
    }
  }
}

}  // namespace

Result<void> serve_worker_requests(Descriptor socket, int null) {
  WorkerParent parent(std::move(socket), null);
  return parent.serve();
}

}  // namespace consilium::decode
