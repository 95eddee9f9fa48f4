#include "client/trainer/decode/worker_parent.h"

#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>

#include "client/trainer/decode/decode_file.h"
#include "client/trainer/decode/decode_records.h"
#include "client/trainer/decode/decode_worker.h"

namespace consilium::decode {

namespace {

using trainer::Descriptor;
using trainer::RecordChannel;

[[noreturn]] void run_worker(Descriptor socket, int null) {
  if (auto confined = confine_worker(null); !confined) _exit(1);
  _exit(serve_decode_requests(std::move(socket)) ? 0 : 1);
}

/// The workers that were started and not yet ended, by their numbers.
class WorkerParent {
 public:
  WorkerParent(Descriptor socket, int null) : channel_(std::move(socket)), null_(null) {}
  ~WorkerParent() {
    for (const auto& [number, process] : workers_) end(process);
  }
  WorkerParent(const WorkerParent&) = delete;
  WorkerParent& operator=(const WorkerParent&) = delete;

  Result<void> serve();

 private:
  Result<void> start();
  static int end(pid_t process);
  ParentReply end_worker(std::uint64_t number);

  RecordChannel channel_;
  int null_;
  std::map<std::uint64_t, pid_t> workers_;
  std::uint64_t next_ = 0;
};

/// Kills a worker and returns the status that waitpid(2) gives; that of a worker that had ended by itself is its own.
int WorkerParent::end(pid_t process) {
  int status = 0;
  kill(process, SIGKILL);
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

Result<void> WorkerParent::start() {
  const auto refuse = [this](std::string why) {
    return channel_.send(encode(ParentReply(Error{ErrorCode::kResourceExhausted, std::move(why)})));
  };
  if (next_ == 0) set_up_libraries();  // what all workers share
  if (workers_.size() >= kMaxWorkers) return refuse(fmt::format("the decoder has {} workers already", kMaxWorkers));
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

ParentReply WorkerParent::end_worker(std::uint64_t number) {
  const auto found = workers_.find(number);
  if (found == workers_.end()) return Error{ErrorCode::kInvalidArgument, "the decoder has no such worker"};
  const int status = end(found->second);
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
      CONSILIUM_TRY(channel_.send(encode(end_worker(wanted->worker))));
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
