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

/// The streams that sites keep open, one a name. Thread-safe.
class SiteStreams {
 public:
  /// Makes the gRPC service that accepts them.
  [[nodiscard]] std::unique_ptr<grpc::Service> make_service(ServiceParts& parts);
  /// Queues a message; dropped where the site has no stream (it will be offered again).
  void send(const std::string& site, const wire::CoordinatorMessage& message);

  /// Ends the streams of sites whose certificate has been revoked or has ended meanwhile; cheap while the list is the
  /// same.
  void end_revoked();
  /// Ends every stream, and accepts no more.
  void end_all();

  /// For the streams themselves: false where the name is taken.
  bool attach(const std::string& site, const std::shared_ptr<SiteStream>& stream);
  void detach(const std::string& site);

 private:
  [[nodiscard]] std::vector<std::shared_ptr<SiteStream>> open_streams();

  std::mutex mutex_;
  bool ended_ = false;
  std::map<std::string, std::shared_ptr<SiteStream>> streams_;
};

}  // namespace consilium::service
