#include "client/trainer/decode/decode_worker.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "client/trainer/decode/decode_file.h"
#include "client/trainer/decode/decode_records.h"
#include "common/process/system_call_filter.h"

namespace consilium::decode {

namespace {

using trainer::Descriptor;
using trainer::RecordChannel;

/// A file that is mapped for reading. If it is truncated meanwhile, reading ends the process with SIGBUS.
class MappedFile {
 public:
  MappedFile(const void* data, std::size_t size) : data_(data), size_(size) {}
  ~MappedFile() { munmap(const_cast<void*>(data_), size_); }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  [[nodiscard]] Bytes bytes() const { return {static_cast<const std::uint8_t*>(data_), size_}; }

 private:
  const void* data_;
  std::size_t size_;
};

/// The memory that a decoder uses besides an image's pixels: for the libraries and a file's headers.
constexpr std::uint64_t kOtherMemory = std::uint64_t{512} << 20;
/// The pixels can be in memory three times: in a library, as samples, and as the image's values.
constexpr std::uint64_t kCopies = 3;

/// A sanitizer maps far more memory than it uses.
#if defined(__SANITIZE_ADDRESS__) || defined(CONSILIUM_SANITIZED)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

/// The calls that computing needs; every other call fails with EPERM.
constexpr std::array kAllowed{
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_poll,
    SYS_ppoll,
    SYS_close,
    SYS_lseek,
    SYS_pread64,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_futex,
    SYS_exit,
    SYS_exit_group,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_getpid,
    SYS_gettid,
    SYS_tgkill,
    SYS_clock_gettime,
    SYS_gettimeofday,
    SYS_getrusage,
    SYS_getrandom,
    SYS_sched_yield,
    SYS_restart_syscall,
    SYS_sysinfo,
    SYS_uname,
    SYS_sched_getaffinity,
    SYS_getrlimit,
    SYS_setrlimit,
};

void set_soft_limit(__rlimit_resource_t resource, std::uint64_t value) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(value, limit.rlim_max);
  setrlimit(resource, &limit);
}

/// Returns the CPU seconds that this process has used, rounded up.
std::uint64_t used_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + 2;
}

Result<data::DecodedImage> decode_descriptor(const Descriptor& file, const DecodeRequest& request) {
  const off_t end = lseek(file.get(), 0, SEEK_END);
  if (end < 0) return fail(ErrorCode::kInvalidArgument, "not a regular file");
  if (end == 0) return fail(ErrorCode::kInvalidArgument, "the file is empty");
  const auto size = static_cast<std::size_t>(end);
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) {
    return fail(ErrorCode::kInternal, fmt::format("the file can't be mapped: {}", std::strerror(errno)));
  }
  const MappedFile mapped(data, size);
  set_soft_limit(RLIMIT_CPU, used_cpu_seconds() + request.cpu_seconds);
  if (!kSanitized) set_soft_limit(RLIMIT_DATA, kCopies * request.options.max_bytes + kOtherMemory);
  auto image = decode_file(mapped.bytes(), request.options);
  if (!kSanitized) set_soft_limit(RLIMIT_DATA, RLIM_INFINITY);
  return image;
}

Result<void> write_all(int socket, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(socket, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return fail(ErrorCode::kUnavailable, "decoder protocol: the trainer closed the connection");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> answer(RecordChannel& channel, const trainer::Record& record) {
  CONSILIUM_ASSIGN(const DecodeRequest request, parse_decode_request(record.json));
  if (record.descriptors.size() != 1) {
    return fail(ErrorCode::kDataLoss, "decoder protocol: expected one descriptor beside 'decode'");
  }
  const auto image = decode_descriptor(record.descriptors.front(), request);
  CONSILIUM_TRY(channel.send(encode(image)));
  if (!image || request.options.header_only) return {};
  return std::visit(
      [&](const auto& values) { return write_all(channel.descriptor(), std::as_bytes(std::span(values))); },
      image->pixels);
}

}  // namespace

std::vector<sock_filter> worker_filter() {
  process::SystemCallFilter filter;
  for (const int call : kAllowed) filter.allow_when(call, {});
  // Decoding needs no executable memory.
  filter.allow_when(SYS_mmap, {{2, 0, PROT_EXEC}});
  filter.allow_when(SYS_mprotect, {{2, 0, PROT_EXEC}});
  filter.allow_when(SYS_prlimit64, {{0, 0}});        // its own limits
  if (kSanitized) filter.allow_when(SYS_pipe2, {});  // a sanitizer uses it to find out which memory is mapped
  filter.deny_rest();
  return filter.program();
}

Result<void> confine_worker(int null) {
  const auto refused = [](const char* what) {
    return fail(ErrorCode::kFailedPrecondition, fmt::format("the decoder's {}: {}", what, std::strerror(errno)));
  };
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (const int output : {STDOUT_FILENO, STDERR_FILENO}) {
    if (dup2(null, output) < 0) return refused("output can't be closed");
  }
  std::vector<sock_filter> program = worker_filter();
  const sock_fprog installed{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refused("no_new_privs");
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &installed, 0, 0) != 0)
    return refused("seccomp filter");  // check: decode-worker
  return {};
}

Result<void> serve_decode_requests(RecordChannel& channel) {
  while (true) {
    CONSILIUM_ASSIGN(const auto record, channel.receive());
    if (!record) return {};
    CONSILIUM_TRY(answer(channel, *record));
  }
}

}  // namespace consilium::decode
