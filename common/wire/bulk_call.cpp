#include "common/wire/bulk_call.h"

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <optional>
#include <utility>

namespace consilium::wire {

struct BulkCall::Call {
  explicit Call(const std::shared_ptr<grpc::Channel>& channel) : stub(channel) {}

  /// Waits for the pending step.
  bool wait() {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  }

  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  grpc::GenericStub stub;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
  bool finished = false;
  struct Cancel {
    grpc::ClientContext& context;
    void operator()() const { context.TryCancel(); }
  };
  std::optional<std::stop_callback<Cancel>> cancel;
};

BulkCall::BulkCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, std::stop_token stop)
    : call_(std::make_unique<Call>(channel)) {
  call_->stream = call_->stub.PrepareCall(&call_->context, method, &call_->queue);
  call_->cancel.emplace(std::move(stop), Call::Cancel{call_->context});
  call_->stream->StartCall(this);
  call_->wait();
}

BulkCall::~BulkCall() {
  call_->cancel.reset();
  if (!call_->finished) {
    cancel();
    static_cast<void>(finish());
  }
  call_->queue.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (call_->queue.Next(&tag, &ok)) {
  }
}

bool BulkCall::write(const grpc::ByteBuffer& message) {
  call_->stream->Write(message, this);
  return call_->wait();
}

bool BulkCall::write_last(const grpc::ByteBuffer& message) {
  call_->stream->WriteLast(message, grpc::WriteOptions(), this);
  return call_->wait();
}

bool BulkCall::read(grpc::ByteBuffer& message) {
  call_->stream->Read(&message, this);
  return call_->wait();
}

grpc::Status BulkCall::finish() {
  grpc::Status status;
  call_->stream->Finish(&status, this);
  call_->wait();
  call_->finished = true;
  return status;
}

void BulkCall::cancel() { call_->context.TryCancel(); }

}  // namespace consilium::wire
