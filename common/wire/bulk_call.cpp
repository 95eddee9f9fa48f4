#include "common/wire/bulk_call.h"

#include <utility>

namespace consilium::wire {

BulkCall::BulkCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, std::stop_token stop)
    : stub_(channel) {
  stream_ = stub_.PrepareCall(&context_, method, &queue_);
  cancel_.emplace(std::move(stop), Cancel{context_});
  stream_->StartCall(this);
  wait();
}

BulkCall::~BulkCall() {
  cancel_.reset();
  if (!finished_) {
    context_.TryCancel();
    static_cast<void>(finish());
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool BulkCall::wait() {
  void* tag = nullptr;
  bool ok = false;
  return queue_.Next(&tag, &ok) && ok;
}

bool BulkCall::write(const grpc::ByteBuffer& message) {
  stream_->Write(message, this);
  return wait();
}

bool BulkCall::write_last(const grpc::ByteBuffer& message) {
  stream_->WriteLast(message, grpc::WriteOptions(), this);
  return wait();
}

bool BulkCall::read(grpc::ByteBuffer& message) {
  stream_->Read(&message, this);
  return wait();
}

grpc::Status BulkCall::finish() {
  grpc::Status status;
  stream_->Finish(&status, this);
  wait();
  finished_ = true;
  return status;
}

}  // namespace consilium::wire
