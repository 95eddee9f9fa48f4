#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/pki/identity.h"
#include "common/report/job_status.h"
#include "common/report/site_status.h"
#include "common/wire/messages.h"
#include "coordinator/journal/blob_store.h"
#include "coordinator/round/site_gateway.h"

namespace consilium::service {

using SiteStatus = report::SiteStatus;

/// What the service hands on, once a peer is authenticated and its role is checked. Implemented by the coordinator's
/// daemon. Called from gRPC's threads: implementations are thread-safe, and quick (they post to the owner's queue)
/// unless they return a value.
class CoordinationHandler {
 public:
  virtual ~CoordinationHandler() = default;

  // Sites.
  virtual void site_connected(const std::string& site, const wire::SiteHello& hello) = 0;
  virtual void site_message(const std::string& site, wire::SiteMessage message) = 0;
  virtual void site_disconnected(const std::string& site) = 0;
  /// How many words the session takes from this site; refused where it takes none. Asked before a byte is spooled.
  virtual Result<std::uint64_t> expected_words(const std::string& site, const job::SessionKey& key) = 0;
  /// A vector lies whole in `file`, its digest verified; the handler takes the file over. Returns once it is folded or
  /// refused.
  virtual Result<void> vector_received(const std::string& site, const job::SessionKey& key,
                                       const std::filesystem::path& file) = 0;

  /// May this peer fetch that blob? A site: the model of a job that it takes part in. A researcher: a model of a job
  /// that they may read. kPermissionDenied otherwise.
  virtual Result<void> may_fetch(const pki::Identity& peer, const crypto::Digest& digest) = 0;

  // Researchers and operators. `caller` is whoever calls; what they may do, the implementation decides.
  /// Asked before a byte of a researcher's initial weights is spooled: is there room for them in the quota?
  virtual Result<void> expect_weights(const std::string& researcher, std::uint64_t bytes) = 0;
  /// The weights are in the blob store; the handler retains them while they are needed.
  virtual Result<void> weights_received(const std::string& researcher, const crypto::Digest& digest,
                                        std::uint64_t bytes) = 0;
  /// @param signature  under the job, as the researcher sent it
  virtual Result<std::string> submit(const std::string& researcher, const std::string& spec_text,
                                     const job::JobSignature& signature) = 0;
  /// Every job, each as far as the caller may see it.
  virtual std::vector<report::JobStatus> jobs(const pki::Identity& caller) = 0;
  /// Returns the job's status once its version exceeds `seen` (at once for 0), or after `timeout`.
  struct Versioned {
    std::uint64_t version = 0;
    std::shared_ptr<const report::JobStatus> status;
  };
  virtual Result<Versioned> watch(const pki::Identity& caller, const std::string& job_id, std::uint64_t seen,
                                  std::chrono::milliseconds timeout) = 0;
  /// The canonical text of a job's spec.
  virtual Result<std::string> job_spec(const pki::Identity& caller, const std::string& job_id) = 0;
  /// Stops a job; kPermissionDenied where the caller may not.
  virtual Result<void> stop(const pki::Identity& caller, const std::string& job_id) = 0;
  /// Takes an ended job off the list, and releases its model.
  virtual Result<void> remove(const pki::Identity& caller, const std::string& job_id) = 0;
  virtual std::vector<SiteStatus> sites() = 0;
};

struct ServiceConfig {
  std::string listen;                                             ///< "0.0.0.0:8470"; port 0 picks a free one
  std::filesystem::path root, certificate, key, revocation_list;  ///< PEM; the list is read again when it changes
  std::string consortium;       ///< trust domain that every peer's SPIFFE id must have; empty: our certificate's
  std::filesystem::path spool;  ///< folder of uploads under way
  std::filesystem::path list_memory{};  ///< folder that remembers the newest revocation list; empty: this process alone
};

/// The coordinator's gRPC server, and its way to the sites.
class CoordinationService : public round::SiteGateway {
 public:
  static Result<std::unique_ptr<CoordinationService>> start(const ServiceConfig& config, CoordinationHandler& handler,
                                                            journal::BlobStore& blobs);
  /// The port that it listens on.
  [[nodiscard]] virtual int port() const = 0;
  /// Ends every stream and call, within `grace`.
  virtual void shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace consilium::service
