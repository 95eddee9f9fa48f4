#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/trainer/protocol/messages.h"
#include "common/error/error.h"
#include "common/files/descriptor.h"

namespace consilium::trainer {

using files::Descriptor;

/// Descriptors that may travel beside one record.
inline constexpr std::size_t kMaxRecordDescriptors = 2;

/// One record: its JSON, and the descriptors that came beside it.
struct Record {
  std::string json;
  std::vector<Descriptor> descriptors;
};

/// Sends and receives records over a Unix stream socket; both sides of the protocol use it. Not thread-safe.
class RecordChannel {
 public:
  static constexpr std::chrono::milliseconds kForever = std::chrono::milliseconds::max();
  /// How long send() waits for a peer that doesn't read.
  static constexpr std::chrono::milliseconds kSendTimeout{10'000};

  /// Takes ownership of a connected AF_UNIX SOCK_STREAM socket.
  explicit RecordChannel(Descriptor socket);
  RecordChannel(RecordChannel&&) noexcept = default;
  RecordChannel& operator=(RecordChannel&&) noexcept = default;

  /// Sends one record. `descriptors` (at most kMaxRecordDescriptors) stay the caller's; the peer gets duplicates.
  /// Fails with kResourceExhausted for a record beyond kMaxRecordBytes, kUnavailable where the peer is gone,
  /// kDeadlineExceeded where it doesn't read.
  Result<void> send(std::string_view json, std::span<const int> descriptors = {});

  /// Waits for the next record. What has arrived of a record is kept, so that a call that ran out of time can be
  /// repeated.
  /// @param timeout  zero: only what is there; kForever: no limit
  /// @return the record, or nothing where the peer closed between two records; fails with kDeadlineExceeded, kCancelled
  ///         (`stop`), kDataLoss (end within a record, a length of 0 or beyond kMaxRecordBytes, too many descriptors:
  ///         the channel is of no use afterwards), kUnavailable (connection reset)
  Result<std::optional<Record>> receive(std::chrono::milliseconds timeout = kForever, const std::stop_token& stop = {});

  /// Whether receive() would find something (bytes, or the peer's end) without waiting.
  [[nodiscard]] bool readable() const;
  /// The socket, for poll(2).
  [[nodiscard]] int descriptor() const { return socket_.get(); }

 private:
  /// What one attempt to read brought.
  enum class Step { kRecord, kWait, kEnd };

  Result<Step> read_some();
  Result<std::size_t> read_into(std::span<char> target);
  Result<void> begin_body();

  Descriptor socket_;
  Descriptor stop_event_;  ///< eventfd that a stop request signals
  std::array<char, 4> length_{};
  std::size_t length_filled_ = 0;
  std::size_t body_filled_ = 0;
  Record record_;
};

}  // namespace consilium::trainer
