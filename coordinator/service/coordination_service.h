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

/// Receives the requests that the service passes on once it has authenticated a peer and checked its role. Implemented
/// by the coordinator's daemon. Called on gRPC's threads: implementations must be thread-safe, and must return quickly
/// (they post to the owner's queue) unless they return a value.
class CoordinationHandler {
 public:
  virtual ~CoordinationHandler() = default;

  // Sites.
  virtual void site_connected(const std::string& site, const wire::SiteHello& hello) = 0;
  virtual void site_message(const std::string& site, wire::SiteMessage message) = 0;
  virtual void site_disconnected(const std::string& site) = 0;
  /// Returns how many words the session expects from this site, or an error if it expects none. Asked before any byte
  /// is spooled.
  virtual Result<std::uint64_t> expected_words(const std::string& site, const job::SessionKey& key) = 0;
  /// Called when `file` holds a complete vector whose digest has been verified. The handler becomes responsible for the
  /// file. Returns once the vector has been folded or refused.
  virtual Result<void> vector_received(const std::string& site, const job::SessionKey& key,
                                       const std::filesystem::path& file) = 0;

  /// Checks whether this peer may fetch the blob. A site may fetch the models of jobs that it takes part in, and the
  /// totals that it checks; a researcher may fetch the models of jobs that they may read. Otherwise fails with
  /// kPermissionDenied.
  virtual Result<void> may_fetch(const pki::Identity& peer, const crypto::Digest& digest) = 0;

  // Researchers and operators. `caller` is the peer that calls; the implementation decides what it may do.
  /// Checks that the quota has room for a researcher's initial weights. Asked before any byte is spooled.
  virtual Result<void> expect_weights(const std::string& researcher, std::uint64_t bytes) = 0;
  /// Called when the weights are in the blob store. The handler retains them as long as they are needed.
  virtual Result<void> weights_received(const std::string& researcher, const crypto::Digest& digest,
                                        std::uint64_t bytes) = 0;
  /// @param signature  on the job, as sent by the researcher
  virtual Result<std::string> submit(const std::string& researcher, const std::string& spec_text,
                                     const job::JobSignature& signature) = 0;
  /// Returns every job, each as far as the caller may see it.
  virtual std::vector<report::JobStatus> jobs(const pki::Identity& caller) = 0;
  /// Returns the job's status once its version exceeds `seen` (immediately if `seen` is 0), or after `timeout`.
  struct Versioned {
    std::uint64_t version = 0;
    std::shared_ptr<const report::JobStatus> status;
  };
  virtual Result<Versioned> watch(const pki::Identity& caller, const std::string& job_id, std::uint64_t seen,
                                  std::chrono::milliseconds timeout) = 0;
  /// Returns the canonical text of a job's spec.
  virtual Result<std::string> job_spec(const pki::Identity& caller, const std::string& job_id) = 0;
  /// Stops a job. Fails with kPermissionDenied if the caller may not do so.
  virtual Result<void> stop(const pki::Identity& caller, const std::string& job_id) = 0;
  /// Removes an ended job from the list and releases its model.
  virtual Result<void> remove(const pki::Identity& caller, const std::string& job_id) = 0;
  virtual std::vector<SiteStatus> sites() = 0;
};

struct ServiceConfig {
  std::string listen;                                             ///< "0.0.0.0:8470"; port 0 picks a free port
  std::filesystem::path root, certificate, key, revocation_list;  ///< PEM files; the list is read again when it changes
  std::string consortium;       ///< trust domain required in every peer's SPIFFE id; empty: our own certificate's
  std::filesystem::path spool;  ///< folder for unfinished uploads
  std::filesystem::path
      list_memory{};  ///< folder that stores the newest revocation list; empty: only this process remembers it
};

/// The coordinator's gRPC server, which is also its way to reach the sites.
class CoordinationService : public round::SiteGateway {
 public:
  static Result<std::unique_ptr<CoordinationService>> start(const ServiceConfig& config, CoordinationHandler& handler,
                                                            journal::BlobStore& blobs);
  /// Returns the port that the server listens on.
  [[nodiscard]] virtual int port() const = 0;
  /// Ends every stream and call within `grace`.
  virtual void shutdown(std::chrono::milliseconds grace) = 0;
};

}  // namespace consilium::service
