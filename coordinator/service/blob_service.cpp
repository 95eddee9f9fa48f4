#include "coordinator/service/blob_service.h"

#include "common/wire/conversions.h"
#include "common/wire/spool_file.h"
#include "common/wire/status.h"
#include "consilium/v1/blob.grpc.pb.h"
#include "coordinator/service/blob_fetch.h"
#include "coordinator/service/bulk_upload.h"
#include "coordinator/service/service_parts.h"
#include "coordinator/service/spool_folder.h"

namespace consilium::service {

namespace {

using RawBlobs = v1::Blobs::WithRawCallbackMethod_Fetch<v1::Blobs::WithRawCallbackMethod_Upload<
    v1::Blobs::WithRawCallbackMethod_PutBlob<v1::Blobs::WithCallbackMethod_GetUploadStatus<v1::Blobs::Service>>>>;

class BlobService final : public RawBlobs {
 public:
  explicit BlobService(ServiceParts& parts) : parts_(parts) {}

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Fetch(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request) override {
    return begin_fetch(parts_, *context, *request);
  }
  grpc::ServerReadReactor<grpc::ByteBuffer>* Upload(grpc::CallbackServerContext* context,
                                                    grpc::ByteBuffer* answer) override {
    return begin_vector_upload(parts_, *context, *answer);
  }
  grpc::ServerReadReactor<grpc::ByteBuffer>* PutBlob(grpc::CallbackServerContext* context,
                                                     grpc::ByteBuffer* answer) override {
    return begin_blob_upload(parts_, *context, *answer);
  }

  grpc::ServerUnaryReactor* GetUploadStatus(grpc::CallbackServerContext* context,
                                            const v1::UploadStatusRequest* request, v1::UploadStatus* answer) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const auto peer = authenticate(parts_, *context, {pki::Role::kSite});
    if (!peer) {
      reactor->Finish(wire::to_status(peer.error()));
      return reactor;
    }
    parts_.workers.post([this, context, request, answer, reactor, site = peer->name] {
      const auto held = bytes_held(site, *request);
      if (held) answer->set_bytes(*held);
      reactor->Finish(held ? grpc::Status::OK : refuse(*context, "site " + site, held.error()));
    });
    return reactor;
  }

 private:
  Result<std::uint64_t> bytes_held(const std::string& site, const v1::UploadStatusRequest& request) {
    CONSILIUM_ASSIGN(const job::SessionKey key, wire::from_proto(request.key()));
    CONSILIUM_TRY(parts_.handler.expected_words(site, key));
    return wire::SpoolFile::held(spool_path(parts_.spool, site, key));
  }

  ServiceParts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_blob_service(ServiceParts& parts) { return std::make_unique<BlobService>(parts); }

}  // namespace consilium::service
