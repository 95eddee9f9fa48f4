#pragma once

#include <memory>

namespace grpc {
class Service;
}

namespace consilium::service {

struct ServiceParts;

/// Makes the gRPC service of bulk data: models to sites and researchers, vectors and initial weights from them.
[[nodiscard]] std::unique_ptr<grpc::Service> make_blob_service(ServiceParts& parts);

}  // namespace consilium::service
