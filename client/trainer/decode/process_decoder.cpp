#include "client/trainer/decode/process_decoder.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <new>

namespace consilium::decode {

namespace {

using namespace std::chrono_literals;
using trainer::Descriptor;
using trainer::RecordChannel;

/// The time limit for the parent, which only forks and waits.
constexpr auto kParentTimeout = 30s;
/// A worker that hangs uses no CPU time, so wall-clock time limits it. The limit is generous, because on a busy machine
/// a worker may wait long for the CPU.
constexpr std::uint64_t kWallPerCpuSecond = 10;
constexpr std::uint64_t kWallSeconds = 600;

std::chrono::seconds wall_limit(std::uint32_t cpu_seconds) {
  return std::chrono::seconds(kWallSeconds + kWallPerCpuSecond * cpu_seconds);
}
constexpr int kSpawnedSocket = 3;

Result<Descriptor> open_file(const std::filesystem::path& path) {
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) {
    const ErrorCode code = errno == ENOENT || errno == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument;
    return fail(code, fmt::format("cannot open the file: {}", std::strerror(errno)));
  }
  struct stat status {};
  if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, "not a regular file");
  }
  return file;
}

/// Reads the pixels that follow a record. Fails with kUnavailable if the worker ends before they are complete.
Result<void> read_pixels(int socket, std::span<std::byte> bytes, std::chrono::steady_clock::time_point deadline) {
  while (!bytes.empty()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd wait{socket, POLLIN, 0};
    if (left <= 0ms || poll(&wait, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 3'600'000))) == 0) {
      return fail(ErrorCode::kDeadlineExceeded, "no pixels arrived in time");
    }
    const ssize_t count = recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) return fail(ErrorCode::kUnavailable, "the worker ended while it sent pixels");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<data::DecodedImage> receive_image(RecordChannel& channel, const DecodeRequest& request, bool& complete) {
  const auto limit = wall_limit(request.cpu_seconds);
  const auto deadline = std::chrono::steady_clock::now() + limit;
  CONSILIUM_ASSIGN(auto record, channel.receive(limit));
  if (!record) return fail(ErrorCode::kUnavailable, "the worker ended");
  if (!record->descriptors.empty())
    return fail(ErrorCode::kDataLoss, "decoder protocol: found descriptors beside an image, expected none");
  CONSILIUM_ASSIGN(DecodeReply reply, parse_decode_reply(record->json, request.options));
  if (const auto* error = std::get_if<Error>(&reply)) {
    complete = true;
    return fail(*error);
  }
  auto& header = std::get<DecodedHeader>(reply);
  if (!request.options.header_only) {
    CONSILIUM_ASSIGN(const std::size_t count,
                     checked_count(header.image.shape, bytes_of(header.element), request.options));
    header.image.pixels = make_pixels(header.element, count);
    CONSILIUM_TRY(std::visit(
        [&](auto& values) {
          return read_pixels(channel.descriptor(), std::as_writable_bytes(std::span(values)), deadline);
        },
        header.image.pixels));
    CONSILIUM_TRY(require_finite(header.image.pixels));
  }
  complete = true;
  return std::move(header.image);
}

/// Describes how a worker ended, and what this means for its file.
Error cause_of_death(const ParentReply& reply, std::uint32_t cpu_seconds) {
  const auto* ended = std::get_if<WorkerEnded>(&reply);
  if (ended == nullptr) return {ErrorCode::kUnavailable, "the decoder didn't report how its worker ended"};
  if (ended->signal == SIGXCPU) {
    return {ErrorCode::kResourceExhausted,
            fmt::format("decoding the file takes more than {} s of CPU time", cpu_seconds)};
  }
  if (ended->signal == SIGKILL) {
    return {ErrorCode::kResourceExhausted,
            "the decoder was killed while it read this file, as the system does when memory runs out"};
  }
  if (ended->signal != 0) {
    const char* name = sigabbrev_np(static_cast<int>(ended->signal));
    return {ErrorCode::kInvalidArgument,
            fmt::format("the decoder crashed while it read this file (SIG{}); the file is damaged or malicious",
                        name == nullptr ? std::to_string(ended->signal) : name)};
  }
  return {ErrorCode::kInvalidArgument,
          fmt::format("the decoder ended with status {} while it read this file", ended->status)};
}

}  // namespace

ProcessDecoder::ProcessDecoder(Descriptor socket, DecoderLimits limits)
    : limits_{limits.cpu_seconds, std::max(limits.workers, 1U)}, parent_(std::move(socket)) {}

ProcessDecoder::~ProcessDecoder() {
  { const RecordChannel closed = std::move(parent_); }  // this makes the decoder end
  while (process_ >= 0 && waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<std::unique_ptr<ProcessDecoder>> ProcessDecoder::start(const std::filesystem::path& program,
                                                              DecoderLimits limits) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail(ErrorCode::kInternal, fmt::format("the decoder's socket: {}", std::strerror(errno)));
  }
  Descriptor ours(ends[0]);
  // A number above the one that it gets in the child, because dup2 onto the same number wouldn't clear the
  // close-on-exec flag.
  const Descriptor theirs(fcntl(ends[1], F_DUPFD_CLOEXEC, kSpawnedSocket + 1));
  ::close(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), kSpawnedSocket);
  std::string name = program.string();
  std::string option = "--socket-fd";
  std::string number = std::to_string(kSpawnedSocket);
  const std::array<char*, 4> arguments{name.data(), option.data(), number.data(), nullptr};
  pid_t process = -1;
  const int error = posix_spawn(&process, name.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return fail(ErrorCode::kNotFound, fmt::format("cannot run the decoder '{}': {}", name, std::strerror(error)));
  }
  auto decoder = std::make_unique<ProcessDecoder>(std::move(ours), limits);
  decoder->process_ = process;
  return decoder;
}

Result<std::unique_ptr<ProcessDecoder>> ProcessDecoder::start_installed(DecoderLimits limits) {
  std::error_code problem;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", problem);
  if (problem) return fail(ErrorCode::kInternal, "the trainer can't find its own folder: " + problem.message());
  return start(program.parent_path() / "consilium-decode", limits);
}

Result<ParentReply> ProcessDecoder::ask_parent(const ParentRequest& request, Descriptor* descriptor) {
  const std::scoped_lock lock(parent_mutex_);
  const auto gone = [](const Error& error) {
    return fail(ErrorCode::kUnavailable, fmt::format("the decoder no longer answers: {}", error.message));
  };
  if (auto sent = parent_.send(encode(request)); !sent) return gone(sent.error());
  auto record = parent_.receive(kParentTimeout);
  if (!record) return gone(record.error());
  if (!record->has_value()) return gone({ErrorCode::kUnavailable, "it ended"});
  auto reply = parse_parent_reply((*record)->json);
  if (!reply) return gone(reply.error());
  const bool wants_descriptor = descriptor != nullptr && std::holds_alternative<WorkerStarted>(*reply);
  if ((*record)->descriptors.size() != (wants_descriptor ? 1U : 0U)) {
    return gone({ErrorCode::kDataLoss, "decoder protocol: unexpected number of descriptors"});
  }
  if (wants_descriptor) *descriptor = std::move((*record)->descriptors.front());
  return reply;
}

Result<ProcessDecoder::Worker> ProcessDecoder::take_worker() {
  {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [this] { return working_ < limits_.workers; });
    ++working_;
    if (!idle_.empty()) {
      Worker worker = std::move(idle_.back());
      idle_.pop_back();
      return worker;
    }
  }
  Descriptor socket;
  auto reply = ask_parent(StartWorker{}, &socket);
  if (reply && socket) return Worker{std::get<WorkerStarted>(*reply).worker, RecordChannel(std::move(socket))};
  {
    const std::scoped_lock lock(mutex_);
    --working_;
  }
  freed_.notify_one();
  if (!reply) return fail(reply.error());
  const auto* error = std::get_if<Error>(&*reply);
  return fail(ErrorCode::kUnavailable,
              error == nullptr ? "decoder protocol: expected a worker, found another reply" : error->message);
}

void ProcessDecoder::give_back(Worker worker) {
  {
    const std::scoped_lock lock(mutex_);
    --working_;
    idle_.push_back(std::move(worker));
  }
  freed_.notify_one();
}

/// Ends a worker that failed at a file, and returns the reason.
Error ProcessDecoder::bury(Worker worker, const Error& seen) {
  { const RecordChannel closed = std::move(worker.channel); }  // this makes the worker end, if it hasn't
  const auto reply = ask_parent(EndWorker{worker.number}, nullptr);
  {
    const std::scoped_lock lock(mutex_);
    --working_;
  }
  freed_.notify_one();
  if (!reply) return reply.error();
  if (seen.code == ErrorCode::kDeadlineExceeded) {
    return {ErrorCode::kResourceExhausted,
            fmt::format("decoding the file took more than {} s", wall_limit(limits_.cpu_seconds).count())};
  }
  if (seen.code != ErrorCode::kUnavailable) return seen;  // it is alive, but violated the protocol
  return cause_of_death(*reply, limits_.cpu_seconds);
}

Result<data::DecodedImage> ProcessDecoder::decode_by(Worker worker, const Descriptor& file,
                                                     const data::DecodeOptions& options, bool& may_retry) {
  const DecodeRequest request{options, limits_.cpu_seconds};
  const std::array descriptors{file.get()};
  if (auto sent = worker.channel.send(encode(request), descriptors); !sent) {
    may_retry = true;  // it had died before it got this file
    return fail(bury(std::move(worker), sent.error()));
  }
  bool complete = false;
  Result<data::DecodedImage> image = [&]() -> Result<data::DecodedImage> {
    try {
      return receive_image(worker.channel, request, complete);
    } catch (const std::bad_alloc&) {
      return fail(ErrorCode::kResourceExhausted, "the trainer has no memory for the image");
    }
  }();
  if (!complete) return fail(bury(std::move(worker), image.error()));
  give_back(std::move(worker));
  return image;
}

Result<data::DecodedImage> ProcessDecoder::decode(const std::filesystem::path& path,
                                                  const data::DecodeOptions& options) {
  auto file = open_file(path);
  if (!file) return fail(file.error().within(path.string()));
  bool may_retry = true;
  while (true) {
    auto worker = take_worker();
    if (!worker) return fail(worker.error().within(path.string()));
    const bool last = !std::exchange(may_retry, false);
    auto image = decode_by(std::move(*worker), *file, options, may_retry);
    if (image || last || !may_retry) return image ? std::move(image) : fail(image.error().within(path.string()));
  }
}

}  // namespace consilium::decode
