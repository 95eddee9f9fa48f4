#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace consilium::wire {

/// One streaming call over raw messages, as blocking steps by a completion queue of its own: the calling thread does
/// the network's work itself. Cancelled by the stop token. Not thread-safe. Shows gRPC: for the wire's .cpp files only.
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
  void cancel() { context_.TryCancel(); }

 private:
  bool wait();

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  bool finished_ = false;
  struct Cancel {
    grpc::ClientContext& context;
    void operator()() const { context.TryCancel(); }
  };
  std::optional<std::stop_callback<Cancel>> cancel_;
};

}  // namespace consilium::wire
