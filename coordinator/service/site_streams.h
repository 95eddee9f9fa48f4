#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/wire/messages.h"

namespace grpc {
class Service;
}

namespace consilium::service {

struct ServiceParts;
class SiteStream;

/// The streams that sites keep open, one for each site name. Thread-safe.
class SiteStreams {
 public:
  /// Creates the gRPC service that accepts the streams.
  [[nodiscard]] std::unique_ptr<grpc::Service> make_service(ServiceParts& parts);
  /// Queues a message. Drops it if the site has no stream, because it will be offered again.
  void send(const std::string& site, const wire::CoordinatorMessage& message);

  /// Ends the streams of sites whose certificate has been revoked or has expired. Cheap while the revocation list is
  /// unchanged.
  void end_revoked();
  /// Ends every stream and accepts no more.
  void end_all();

  /// Called by the streams themselves. Returns false if a stream with that name exists already.
  bool attach(const std::string& site, const std::shared_ptr<SiteStream>& stream);
  void detach(const std::string& site);

 private:
  [[nodiscard]] std::vector<std::shared_ptr<SiteStream>> open_streams();

  std::mutex mutex_;
  bool ended_ = false;
  std::map<std::string, std::shared_ptr<SiteStream>> streams_;
};

}  // namespace consilium::service
