#pragma once

namespace grpc {
class ByteBuffer;
class CallbackServerContext;
template <class Response>
class ServerWriteReactor;
}  // namespace grpc

namespace consilium::service {

struct ServiceParts;

/// Serves a blob from its file, 1 MiB at a time: the next chunk is read once the former is on its way.
[[nodiscard]] grpc::ServerWriteReactor<grpc::ByteBuffer>* begin_fetch(ServiceParts& parts,
                                                                      grpc::CallbackServerContext& context,
                                                                      const grpc::ByteBuffer& request);

}  // namespace consilium::service
