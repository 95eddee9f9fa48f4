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

/// The maximum number of descriptors that come with one record.
inline constexpr std::size_t kMaxRecordDescriptors = 2;

/// One record: its JSON, and the descriptors that came with it.
struct Record {
  std::string json;
  std::vector<Descriptor> descriptors;
};

/// Sends and receives records over a Unix stream socket. Both sides of the protocol use it. Not thread-safe.
class RecordChannel {
 public:
  static constexpr std::chrono::milliseconds kForever = std::chrono::milliseconds::max();
  /// How long send() waits for a peer that doesn't read.
  static constexpr std::chrono::milliseconds kSendTimeout{10'000};

  /// Takes ownership of a connected AF_UNIX SOCK_STREAM socket.
  explicit RecordChannel(Descriptor socket);
  RecordChannel(RecordChannel&&) noexcept = default;
  RecordChannel& operator=(RecordChannel&&) noexcept = default;

  /// Sends one record. The caller keeps `descriptors` (at most kMaxRecordDescriptors); the peer gets duplicates.
  /// Fails with kResourceExhausted for a record beyond kMaxRecordBytes, with kUnavailable if the peer is gone, and with
  /// kDeadlineExceeded if it doesn't read.
  Result<void> send(std::string_view json, std::span<const int> descriptors = {});

  /// Waits for the next record. Whatever part of a record has arrived is kept, so a call that timed out can be
  /// repeated.
  /// Fails with kDeadlineExceeded; with kCancelled (`stop`); with kUnavailable (connection reset); or with kDataLoss if
  /// the stream ends within a record, a length is 0 or beyond kMaxRecordBytes, or there are too many descriptors. The
  /// channel can't be used after kDataLoss.
  /// @param timeout  zero: doesn't wait; kForever: no limit
  /// @return the record, or nothing if the peer closed the socket between two records
  Result<std::optional<Record>> receive(std::chrono::milliseconds timeout = kForever, const std::stop_token& stop = {});

  /// Returns true if receive() would find something (bytes, or the end of the stream) without waiting.
  [[nodiscard]] bool readable() const;
  /// Returns the socket, for poll(2).
  [[nodiscard]] int descriptor() const { return socket_.get(); }

 private:
  /// The result of one attempt to read.
  enum class Step { kRecord, kWait, kEnd };

  Result<Step> read_some();
  Result<std::size_t> read_into(std::span<char> target);
  Result<void> begin_body();

  Descriptor socket_;
  Descriptor stop_event_;  ///< an eventfd that a stop request signals
  std::array<char, 4> length_{};
  std::size_t length_filled_ = 0;
  std::size_t body_filled_ = 0;
  Record record_;
};

}  // namespace consilium::trainer
