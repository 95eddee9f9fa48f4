#pragma once

#include <memory>

namespace grpc {
class Service;
}

namespace consilium::service {

struct ServiceParts;

/// Creates the gRPC service for researchers and operators. Worker threads answer its calls; each watcher has its own
/// thread.
[[nodiscard]] std::unique_ptr<grpc::Service> make_admin_service(ServiceParts& parts);

}  // namespace consilium::service
