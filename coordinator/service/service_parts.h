#pragma once

#include <atomic>
#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/pki/identity.h"
#include "common/pki/trust.h"
#include "coordinator/journal/blob_store.h"
#include "coordinator/service/coordination_service.h"
#include "coordinator/service/slots.h"
#include "coordinator/service/worker_pool.h"

namespace grpc {
class CallbackServerContext;
class Status;
}  // namespace grpc

/// Declares what the parts of the gRPC server share. Included only by the service's .cpp files.
namespace consilium::service {

inline constexpr unsigned kFetchesPerPeer = 4;
inline constexpr unsigned kUploadsPerPeer = 2;
inline constexpr unsigned kSpoolsPerSite = 4;
inline constexpr unsigned kWatchesPerPeer = 8;
inline constexpr unsigned kWorkers = 8;

/// Records when the certificates of the sites that have connected expire. Thread-safe.
class SiteCertificates {
 public:
  /// @param end  UTC seconds
  void note(const std::string& site, std::time_t end);
  /// @return 0 if the site hasn't connected
  [[nodiscard]] std::time_t end_of(const std::string& site) const;
  /// Returns what to log, by site, about certificates that expire soon or have expired. Warns about each site once a
  /// day.
  [[nodiscard]] std::map<std::string, std::string> warnings_due(std::time_t now);

 private:
  struct Known {
    std::time_t end = 0;
    std::time_t warned = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Known> sites_;
};

struct ServiceParts {
  CoordinationHandler& handler;
  journal::BlobStore& blobs;
  const std::shared_ptr<const pki::TrustStore> trust;
  const std::string consortium;
  const std::filesystem::path spool;
  Slots fetches{kFetchesPerPeer};
  Slots uploads{kUploadsPerPeer};
  Slots watches{kWatchesPerPeer};
  Slots writers{1};                  ///< one for each spool file
  std::atomic<bool> ending = false;  ///< the server is shutting down
  SiteCertificates site_certificates{};
  WorkerPool workers{kWorkers};
};

/// Returns the caller's identity from its certificate, which must be of our consortium and have one of the roles. Logs
/// a refusal with the peer's address.
Result<pki::Identity> authenticate(const ServiceParts& parts, const grpc::CallbackServerContext& context,
                                   const std::vector<pki::Role>& roles);

/// Logs why a peer's call was refused, and returns the corresponding status.
[[nodiscard]] grpc::Status refuse(const grpc::CallbackServerContext& context, const std::string& who,
                                  const Error& error);

/// A call that is refused before it starts.
/// @tparam Reactor  one of gRPC's server reactors
template <class Reactor>
class RefusedCall final : public Reactor {
 public:
  explicit RefusedCall(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace consilium::service
