#pragma once

namespace grpc {
class ByteBuffer;
class CallbackServerContext;
template <class Request>
class ServerReadReactor;
}  // namespace grpc

namespace consilium::service {

struct ServiceParts;

using UploadReactor = grpc::ServerReadReactor<grpc::ByteBuffer>;

/// Receives a site's vector into the spool, and passes it to the handler if its digest is correct.
[[nodiscard]] UploadReactor* begin_vector_upload(ServiceParts& parts, grpc::CallbackServerContext& context,
                                                 grpc::ByteBuffer& answer);
/// Receives a researcher's blob and puts it into the store.
[[nodiscard]] UploadReactor* begin_blob_upload(ServiceParts& parts, grpc::CallbackServerContext& context,
                                               grpc::ByteBuffer& answer);

}  // namespace consilium::service
