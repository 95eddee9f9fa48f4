#include "coordinator/service/blob_fetch.h"

#include <fcntl.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/wire/chunk_frame.h"
#include "common/wire/conversions.h"
#include "common/wire/limits.h"
#include "common/wire/status.h"
#include "consilium/v1/blob.pb.h"
#include "coordinator/service/service_parts.h"

namespace consilium::service {

namespace {

struct FetchOrder {
  crypto::Digest digest{};
  std::uint64_t offset = 0;
};

Result<FetchOrder> parse(const grpc::ByteBuffer& request) {
  CONSILIUM_ASSIGN(const std::string bytes, wire::read_small(request, wire::kMaxBulkHeadBytes));
  v1::FetchRequest proto;
  if (!proto.ParseFromString(bytes)) return fail(ErrorCode::kInvalidArgument, "the fetch request cannot be parsed");
  CONSILIUM_ASSIGN(const crypto::Digest digest, wire::digest_from_field(proto.digest(), "fetch.digest"));
  return FetchOrder{digest, proto.offset()};
}

class BlobFetch final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  BlobFetch(ServiceParts& parts, grpc::CallbackServerContext& context, pki::Identity peer, FetchOrder order,
            std::unique_ptr<Slots::Hold> slot)
      : parts_(parts), context_(context), peer_(std::move(peer)), order_(order), slot_(std::move(slot)) {
    parts_.workers.post([this] { open(); });
  }
  ~BlobFetch() override {
    if (fd_ >= 0) ::close(fd_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return Finish({grpc::StatusCode::CANCELLED, "the peer closed the call"});
    send_next();
  }
  void OnDone() override { delete this; }

 private:
  void open() {
    const std::string who = fmt::format("{} {}", pki::name_of(peer_.role), peer_.name);
    if (const auto opened = find(); !opened) return Finish(refuse(context_, who, opened.error()));
    send_next();
  }

  Result<void> find() {
    const std::string hex = crypto::to_hex(order_.digest);
    CONSILIUM_TRY(parts_.handler.may_fetch(peer_, order_.digest));
    fd_ = ::open(parts_.blobs.path(order_.digest).c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info {};
    if (fd_ < 0 || ::fstat(fd_, &info) != 0) return fail(ErrorCode::kNotFound, fmt::format("no blob {}", hex));
    size_ = static_cast<std::uint64_t>(info.st_size);
    if (order_.offset > size_) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("blob {} has {} bytes; offset {} is beyond its end", hex, size_, order_.offset));
    }
    position_ = order_.offset;
    return {};
  }

  void send_next() {
    if (position_ == size_) return Finish(grpc::Status::OK);
    const auto buffer = pool_.buffer();
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size_ - position_));
    ssize_t count = -1;
    do {
      count = ::pread(fd_, buffer.data(), wanted, static_cast<off_t>(position_));
    } while (count < 0 && errno == EINTR);
    if (count <= 0) return Finish({grpc::StatusCode::DATA_LOSS, "the blob's file is shorter than expected"});
    position_ += static_cast<std::uint64_t>(count);
    message_ = pool_.data_message(wire::kChunkDataTag, static_cast<std::size_t>(count));
    StartWrite(&message_);
  }

  ServiceParts& parts_;
  grpc::CallbackServerContext& context_;
  const pki::Identity peer_;
  const FetchOrder order_;
  const std::unique_ptr<Slots::Hold> slot_;
  wire::ChunkPool pool_;
  grpc::ByteBuffer message_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;
};

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* begin_fetch(ServiceParts& parts, grpc::CallbackServerContext& context,
                                                        const grpc::ByteBuffer& request) {
  using Refused = RefusedCall<grpc::ServerWriteReactor<grpc::ByteBuffer>>;
  auto peer = authenticate(parts, context, {pki::Role::kSite, pki::Role::kResearcher});
  if (!peer) return new Refused(wire::to_status(peer.error()));
  const std::string who = fmt::format("{} {}", pki::name_of(peer->role), peer->name);
  const auto order = parse(request);
  if (!order) return new Refused(refuse(context, who, order.error()));
  auto slot = parts.fetches.take(who);
  if (!slot)
    return new Refused(
        refuse(context, who,
               Error{ErrorCode::kUnavailable, fmt::format("expected at most {} fetches at a time", kFetchesPerPeer)}));
  return new BlobFetch(parts, context, std::move(*peer), *order, std::move(slot));
}

}  // namespace consilium::service
