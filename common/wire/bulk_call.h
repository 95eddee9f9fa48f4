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

/// One streaming call over raw messages, as blocking steps on its own completion queue, so that the calling thread does
/// the network's work itself. The stop token cancels the call. Not thread-safe.
class BulkCall {
 public:
  BulkCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, std::stop_token stop);
  ~BulkCall();
  BulkCall(const BulkCall&) = delete;
  BulkCall& operator=(const BulkCall&) = delete;

  /// Each of these steps returns false if the call has ended; finish() then returns the reason.
  bool write(const grpc::ByteBuffer& message);
  bool write_last(const grpc::ByteBuffer& message);
  bool read(grpc::ByteBuffer& message);
  /// Ends the call and returns its status. Cancels the call if the other side hasn't ended it.
  grpc::Status finish();
  /// Makes finish() end a call that this side wants to abandon.
  void cancel();

 private:
  struct Call;  ///< gRPC's state of the call
  std::unique_ptr<Call> call_;
};

}  // namespace consilium::wire
