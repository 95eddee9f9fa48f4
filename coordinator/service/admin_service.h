#pragma once

#include <memory>

namespace grpc {
class Service;
}

namespace consilium::service {

struct ServiceParts;

/// Makes the gRPC service for researchers. Its calls are answered by the workers, watchers have a thread each.
[[nodiscard]] std::unique_ptr<grpc::Service> make_admin_service(ServiceParts& parts);

}  // namespace consilium::service
