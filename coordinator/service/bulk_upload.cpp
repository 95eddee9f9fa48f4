#include "coordinator/service/bulk_upload.h"

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "common/wire/chunk_frame.h"
#include "common/wire/conversions.h"
#include "common/wire/limits.h"
#include "common/wire/spool_file.h"
#include "common/wire/status.h"
#include "consilium/v1/blob.pb.h"
#include "coordinator/service/service_parts.h"
#include "coordinator/service/spool_folder.h"

namespace consilium::service {

namespace {

std::string who(const pki::Identity& peer) { return fmt::format("{} {}", pki::name_of(peer.role), peer.name); }

template <class Part>
Result<Part> parse(const grpc::ByteBuffer& message, int expected) {
  CONSILIUM_ASSIGN(const std::string bytes, wire::read_small(message, wire::kMaxBulkHeadBytes));
  Part part;
  if (!part.ParseFromString(bytes) || part.part_case() != expected) {
    return fail(ErrorCode::kInvalidArgument,
                "a part can't be parsed or is out of order: expected start, data ..., digest");
  }
  return part;
}

/// Receives a stream of parts into a spool file. begin() and complete() differ between vectors and blobs; they run on a
/// worker and may block. Only one method runs at any time, because the next read is requested when the previous one has
/// been processed.
class BulkUpload : public UploadReactor {
 public:
  BulkUpload(ServiceParts& parts, grpc::CallbackServerContext& context, pki::Identity peer,
             std::unique_ptr<Slots::Hold> slot)
      : parts_(parts), context_(context), peer_(std::move(peer)), slot_(std::move(slot)) {
    StartRead(&message_);
  }

  void OnReadDone(bool ok) final {
    if (!ok) return end(Error{ErrorCode::kUnavailable, "the upload was interrupted"});
    if (!spool_) return parts_.workers.post([this] { start(); });
    auto payload = wire::read_data(message_, wire::kPartDataTag);
    if (!payload) return end(payload.error());
    if (!payload->has_value()) return parts_.workers.post([this] { finish(); });
    if (const auto appended = spool_->append((*payload)->pieces); !appended) return end(appended.error());
    message_.Clear();
    StartRead(&message_);
  }
  void OnDone() final { delete this; }

 protected:
  virtual Result<wire::SpoolFile> begin(const grpc::ByteBuffer& start) = 0;
  /// Called when the file's digest is correct.
  virtual Result<void> complete(const wire::SpoolFile& spool) = 0;
  [[nodiscard]] virtual std::uint64_t announced() const = 0;

  ServiceParts& parts_;
  grpc::CallbackServerContext& context_;
  const pki::Identity peer_;

 private:
  void start() {
    auto opened = begin(message_);
    if (!opened) return end(opened.error());
    spool_ = std::move(*opened);
    message_.Clear();
    StartRead(&message_);
  }

  void finish() {
    if (const auto received = verify(); !received) return end(received.error());
    Finish(grpc::Status::OK);
  }

  Result<void> verify() {
    CONSILIUM_ASSIGN(const auto part, parse<v1::UploadPart>(message_, v1::UploadPart::kDigest));
    CONSILIUM_ASSIGN(const crypto::Digest digest, wire::digest_from_field(part.digest(), "upload.digest"));
    if (spool_->bytes() != announced()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("the digest came after {} of {} bytes", spool_->bytes(), announced()));
    }
    CONSILIUM_TRY(spool_->finish(digest));
    return complete(*spool_);
  }

  void end(const Error& error) { Finish(refuse(context_, who(peer_), error)); }

  const std::unique_ptr<Slots::Hold> slot_;
  grpc::ByteBuffer message_;
  std::optional<wire::SpoolFile> spool_;
};

/// Makes room for one more spool of this site by removing the oldest ones.
void drop_oldest_spools(const std::filesystem::path& keep) {
  std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> others;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(keep.parent_path(), failed)) {
    if (entry.path() != keep && entry.path().extension() == ".part")
      others.emplace_back(entry.last_write_time(failed), entry.path());
  }
  std::sort(others.begin(), others.end());
  for (std::size_t index = 0; index + kSpoolsPerSite <= others.size(); ++index)
    std::filesystem::remove(others[index].second, failed);
}

class VectorUpload final : public BulkUpload {
 public:
  using BulkUpload::BulkUpload;

 private:
  Result<wire::SpoolFile> begin(const grpc::ByteBuffer& message) override {
    CONSILIUM_ASSIGN(const auto part, parse<v1::UploadPart>(message, v1::UploadPart::kStart));
    CONSILIUM_ASSIGN(key_, wire::from_proto(part.start().key()));
    CONSILIUM_ASSIGN(const std::uint64_t words, parts_.handler.expected_words(peer_.name, key_));
    if (part.start().words() != words) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{}: expected {} words, found {}", to_string(key_), words, part.start().words()));
    }
    bytes_ = words * sizeof(std::uint32_t);
    const auto file = spool_path(parts_.spool, peer_.name, key_);
    CONSILIUM_TRY(take_over(file.filename().string()));
    drop_oldest_spools(file);
    return wire::SpoolFile::open(file, part.start().offset(), bytes_);
  }

  /// Allows one writer for each spool. A second upload of the same vector is refused until the first one's connection
  /// has ended.
  Result<void> take_over(const std::string& spool) {
    writer_ = parts_.writers.take(peer_.name + "/" + spool);
    if (writer_) return {};
    return fail(ErrorCode::kUnavailable,
                fmt::format("{}: another upload of this vector is still running", to_string(key_)));
  }

  Result<void> complete(const wire::SpoolFile& spool) override {
    auto whole = spool.file();
    whole.replace_extension(".words");
    std::error_code failed;
    std::filesystem::rename(spool.file(), whole, failed);
    if (failed)
      return fail(ErrorCode::kInternal,
                  fmt::format("{}: cannot rename it: {}", spool.file().string(), failed.message()));
    return parts_.handler.vector_received(peer_.name, key_, whole);
  }

  [[nodiscard]] std::uint64_t announced() const override { return bytes_; }

  job::SessionKey key_;
  std::uint64_t bytes_ = 0;
  std::unique_ptr<Slots::Hold> writer_;
};

class BlobUpload final : public BulkUpload {
 public:
  using BulkUpload::BulkUpload;
  /// An interrupted upload of weights isn't resumed, so the bytes that have arrived are removed.
  ~BlobUpload() override {
    std::error_code ignored;
    if (writer_) std::filesystem::remove(weights_spool_path(parts_.spool, peer_.name), ignored);
  }

 private:
  Result<wire::SpoolFile> begin(const grpc::ByteBuffer& message) override {
    CONSILIUM_ASSIGN(const auto part, parse<v1::BlobPart>(message, v1::BlobPart::kStart));
    bytes_ = part.start().bytes();
    if (bytes_ == 0 || bytes_ > wire::kMaxBlobBytes) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("found a blob of {} bytes, expected 1 to {}", bytes_, wire::kMaxBlobBytes));
    }
    const auto file = weights_spool_path(parts_.spool, peer_.name);
    writer_ = parts_.writers.take(file.string());
    if (!writer_) return fail(ErrorCode::kUnavailable, "another upload of this researcher is still running");
    CONSILIUM_TRY(parts_.handler.expect_weights(peer_.name, bytes_));
    return wire::SpoolFile::open(file, 0, bytes_);
  }

  Result<void> complete(const wire::SpoolFile& spool) override {
    CONSILIUM_ASSIGN(const crypto::Digest digest, parts_.blobs.put_file(spool.file(), wire::kMaxBlobBytes));
    auto taken = parts_.handler.weights_received(peer_.name, digest, bytes_);
    if (!taken) parts_.blobs.remove(digest);
    return taken;
  }

  [[nodiscard]] std::uint64_t announced() const override { return bytes_; }

  std::uint64_t bytes_ = 0;
  std::unique_ptr<Slots::Hold> writer_;
};

template <class Upload>
UploadReactor* begin_upload(ServiceParts& parts, grpc::CallbackServerContext& context, grpc::ByteBuffer& answer,
                            pki::Role role) {
  auto peer = authenticate(parts, context, {role});
  if (!peer) return new RefusedCall<UploadReactor>(wire::to_status(peer.error()));
  auto slot = parts.uploads.take(who(*peer));
  if (!slot) {
    const Error error{ErrorCode::kUnavailable, fmt::format("expected at most {} uploads at a time", kUploadsPerPeer)};
    return new RefusedCall<UploadReactor>(refuse(context, who(*peer), error));
  }
  answer = wire::small_message(std::string());  // both receipts are empty messages
  return new Upload(parts, context, std::move(*peer), std::move(slot));
}

}  // namespace

UploadReactor* begin_vector_upload(ServiceParts& parts, grpc::CallbackServerContext& context,
                                   grpc::ByteBuffer& answer) {
  return begin_upload<VectorUpload>(parts, context, answer, pki::Role::kSite);
}

UploadReactor* begin_blob_upload(ServiceParts& parts, grpc::CallbackServerContext& context, grpc::ByteBuffer& answer) {
  return begin_upload<BlobUpload>(parts, context, answer, pki::Role::kResearcher);
}

}  // namespace consilium::service
