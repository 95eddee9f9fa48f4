#pragma once

#include <memory>
#include <stop_token>
#include <string>

namespace grpc {
class ByteBuffer;
class Channel;
class Status;
}  // namespace grpc

namespace consilium::wire {

/// One streaming call over raw messages, as blocking steps by a completion queue of its own: the calling thread does
/// the network's work itself. Cancelled by the stop token. Not thread-safe.
class BulkCall {
 public:
  BulkCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, std::stop_token stop);
  ~BulkCall();
  BulkCall(const BulkCall&) = delete;
  BulkCall& operator=(const BulkCall&) = delete;

  /// Each step is false where the call has ended: finish() then says why.
  bool write(const grpc::ByteBuffer& message);
  bool write_last(const grpc::ByteBuffer& message);
  bool read(grpc::ByteBuffer& message);
  /// Ends the call (cancels it where the other side hasn't ended it) and returns its status.
  grpc::Status finish();
  /// Makes finish() end a call that this side doesn't want to go on with.
  void cancel();

 private:
  struct Call;  ///< what gRPC keeps of it
  std::unique_ptr<Call> call_;
};

}  // namespace consilium::wire
