#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
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

/// What the parts of the gRPC server share: for the service's .cpp files only.
namespace consilium::service {

inline constexpr unsigned kFetchesPerPeer = 4;
inline constexpr unsigned kUploadsPerPeer = 2;
inline constexpr unsigned kSpoolsPerSite = 4;
inline constexpr unsigned kWatchesPerPeer = 8;
inline constexpr unsigned kWorkers = 8;

struct ServiceParts {
  CoordinationHandler& handler;
  journal::BlobStore& blobs;
  const std::shared_ptr<const pki::TrustStore> trust;
  const std::string consortium;
  const std::filesystem::path spool;
  Slots fetches{kFetchesPerPeer};
  Slots uploads{kUploadsPerPeer};
  Slots watches{kWatchesPerPeer};
  Slots writers{1};                  ///< by spool file
  std::atomic<bool> ending = false;  ///< the server is shutting down
  WorkerPool workers{kWorkers};
};

/// Who calls: its certificate's identity, of our consortium and in one of the roles. A refusal is logged with the
/// peer's address.
Result<pki::Identity> authenticate(const ServiceParts& parts, const grpc::CallbackServerContext& context,
                                   const std::vector<pki::Role>& roles);

/// Logs why a peer's call was refused, and returns the status that says so.
[[nodiscard]] grpc::Status refuse(const grpc::CallbackServerContext& context, const std::string& who,
                                  const Error& error);

/// A call that is over before it began.
/// @tparam Reactor  one of gRPC's server reactors
template <class Reactor>
class RefusedCall final : public Reactor {
 public:
  explicit RefusedCall(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

}  // namespace consilium::service
