#pragma once

namespace grpc {
class ByteBuffer;
class CallbackServerContext;
template <class Response>
class ServerWriteReactor;
}  // namespace grpc

namespace consilium::service {

struct ServiceParts;

/// Serves a blob from its file, 1 MiB at a time. Reads the next chunk once the previous one has been sent.
[[nodiscard]] grpc::ServerWriteReactor<grpc::ByteBuffer>* begin_fetch(ServiceParts& parts,
                                                                      grpc::CallbackServerContext& context,
                                                                      const grpc::ByteBuffer& request);

}  // namespace consilium::service
