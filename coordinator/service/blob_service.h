#pragma once

#include <memory>

namespace grpc {
class Service;
}

namespace consilium::service {

struct ServiceParts;

/// Creates the gRPC service for bulk data: it sends models to sites and researchers, and receives vectors and initial
/// weights.
[[nodiscard]] std::unique_ptr<grpc::Service> make_blob_service(ServiceParts& parts);

}  // namespace consilium::service
