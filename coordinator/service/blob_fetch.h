#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "coordinator/service/service_parts.h"

namespace consilium::service {

/// Serves a blob from its file, 1 MiB at a time: the next chunk is read once the former is on its way.
[[nodiscard]] grpc::ServerWriteReactor<grpc::ByteBuffer>* begin_fetch(ServiceParts& parts,
                                                                      grpc::CallbackServerContext& context,
                                                                      const grpc::ByteBuffer& request);

}  // namespace consilium::service
