#include "client/trainer/protocol/channel.h"

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

namespace consilium::trainer {

namespace {

using Clock = std::chrono::steady_clock;

/// What read_into() returns if there is nothing to read yet, or if the peer has closed the socket.
constexpr std::size_t kNothingYet = SIZE_MAX;
constexpr std::size_t kPeerEnded = 0;

Error system_error(std::string_view what) {
  const int number = errno;
  const bool gone = number == EPIPE || number == ECONNRESET;
  return {gone ? ErrorCode::kUnavailable : ErrorCode::kInternal, fmt::format("{}: {}", what, std::strerror(number))};
}

/// Returns the milliseconds left until `deadline`, for poll(2); -1 if there is none.
int poll_time(const std::optional<Clock::time_point>& deadline) {
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

std::optional<Clock::time_point> deadline_after(std::chrono::milliseconds timeout) {
  if (timeout == RecordChannel::kForever) return std::nullopt;
  return Clock::now() + std::min(timeout, std::chrono::milliseconds(std::chrono::hours(24 * 365)));
}

void attach(msghdr& message, std::span<char> control, std::span<const int> descriptors) {
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
  std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
}

/// Takes ownership of all descriptors that came with a message.
void collect(msghdr& message, std::vector<Descriptor>& descriptors) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      descriptors.emplace_back(fd);
    }
  }
}

}  // namespace

RecordChannel::RecordChannel(Descriptor socket)
    : socket_(std::move(socket)), stop_event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Result<void> RecordChannel::send(std::string_view json, std::span<const int> descriptors) {
  if (json.empty() || json.size() > kMaxRecordBytes) {
    return fail(
        ErrorCode::kResourceExhausted,
        fmt::format("trainer protocol: expected a record of 1 to {} bytes, found {}", kMaxRecordBytes, json.size()));
  }
  if (descriptors.size() > kMaxRecordDescriptors) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("trainer protocol: found {} descriptors beside a record, expected at most {}",
                            descriptors.size(), kMaxRecordDescriptors));
  }
  std::string bytes(4, '\0');
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<char>((json.size() >> (8 * i)) & 0xff);
  bytes += json;

  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxRecordDescriptors * sizeof(int))> control{};
  const auto deadline = deadline_after(kSendTimeout);
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    iovec part{bytes.data() + sent, bytes.size() - sent};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (sent == 0 && !descriptors.empty()) attach(message, control, descriptors);
    const ssize_t count = sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      sent += static_cast<std::size_t>(count);
    } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      pollfd wait{socket_.get(), POLLOUT, 0};
      if (poll(&wait, 1, poll_time(deadline)) == 0) {
        return fail(ErrorCode::kDeadlineExceeded, "trainer protocol: the other side doesn't read");
      }
    } else if (count < 0 && errno != EINTR) {
      return fail(system_error("trainer protocol: cannot send"));
    }
  }
  return {};
}

Result<std::optional<Record>> RecordChannel::receive(std::chrono::milliseconds timeout, const std::stop_token& stop) {
  const auto deadline = deadline_after(timeout);
  std::uint64_t drained = 0;  // discards a signal left over from an earlier call
  [[maybe_unused]] const auto ignored = ::read(stop_event_.get(), &drained, sizeof drained);
  const std::stop_callback signal(stop, [fd = stop_event_.get()] {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
  });
  while (true) {
    CONSILIUM_ASSIGN(const Step step, read_some());
    if (step == Step::kEnd) return std::optional<Record>();
    if (step == Step::kRecord) {
      length_filled_ = 0;
      body_filled_ = 0;
      return std::optional<Record>(std::exchange(record_, Record{}));
    }
    if (stop.stop_requested())
      return fail(ErrorCode::kCancelled, "trainer protocol: stopped while waiting for a record");
    std::array<pollfd, 2> wait{pollfd{socket_.get(), POLLIN, 0}, pollfd{stop_event_.get(), POLLIN, 0}};
    const int ready = poll(wait.data(), stop.stop_possible() ? 2 : 1, poll_time(deadline));
    if (ready < 0 && errno != EINTR) return fail(system_error("trainer protocol: cannot wait"));
    if (ready == 0 && deadline && Clock::now() >= *deadline) {
      return fail(ErrorCode::kDeadlineExceeded, "trainer protocol: no record arrived in time");
    }
  }
}

Result<RecordChannel::Step> RecordChannel::read_some() {
  while (true) {
    const bool in_length = length_filled_ < length_.size();
    const std::span<char> target = in_length ? std::span<char>(length_).subspan(length_filled_)
                                             : std::span<char>(record_.json).subspan(body_filled_);
    CONSILIUM_ASSIGN(const std::size_t count, read_into(target));
    if (count == kNothingYet) return Step::kWait;
    if (count == kPeerEnded) {
      if (length_filled_ == 0) return Step::kEnd;
      return fail(ErrorCode::kDataLoss, "trainer protocol: the connection ended within a record");
    }
    if (in_length) {
      length_filled_ += count;
      if (length_filled_ == length_.size()) CONSILIUM_TRY(begin_body());
    } else {
      body_filled_ += count;
      if (body_filled_ == record_.json.size()) return Step::kRecord;
    }
  }
}

Result<void> RecordChannel::begin_body() {
  std::size_t size = 0;
  for (std::size_t i = 0; i < length_.size(); ++i) {
    size |= static_cast<std::size_t>(static_cast<unsigned char>(length_[i])) << (8 * i);
  }
  if (size == 0 || size > kMaxRecordBytes) {
    return fail(ErrorCode::kDataLoss,
                fmt::format("trainer protocol: expected a record of 1 to {} bytes, found {}", kMaxRecordBytes, size));
  }
  record_.json.resize(size);
  return {};
}

Result<std::size_t> RecordChannel::read_into(std::span<char> target) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxRecordDescriptors * sizeof(int))> control{};
  iovec part{target.data(), target.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t count = -1;
  do {
    count = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return kNothingYet;
    return fail(system_error("trainer protocol: cannot receive"));
  }
  collect(message, record_.descriptors);
  // MSG_CTRUNC: more descriptors came than there was room for, and the kernel has closed the rest.
  if ((message.msg_flags & MSG_CTRUNC) != 0 || record_.descriptors.size() > kMaxRecordDescriptors) {
    record_.descriptors.clear();
    return fail(ErrorCode::kDataLoss,
                fmt::format("trainer protocol: more than {} descriptors beside a record", kMaxRecordDescriptors));
  }
  return static_cast<std::size_t>(count);
}

bool RecordChannel::readable() const {
  pollfd wait{socket_.get(), POLLIN, 0};
  return poll(&wait, 1, 0) > 0;
}

}  // namespace consilium::trainer
