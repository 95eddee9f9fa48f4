#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/transport/coordinator_link.h"
#include "common/pki/authority.h"
#include "coordinator/journal/blob_store.h"
#include "coordinator/service/coordination_service.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::testing {

/// State that threads change and that a test waits for.
class Board {
 public:
  /// Changes the guarded state, and wakes all waiting threads.
  template <class Change>
  void post(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  /// Waits until the condition holds. Returns false after a minute.
  template <class Condition>
  [[nodiscard]] bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(1), condition);
  }
  template <class Read>
  auto read(Read read) {
    const std::lock_guard lock(mutex_);
    return read();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

/// Represents a coordinator's daemon that records what it receives, and answers as the test configured.
class RecordingHandler final : public service::CoordinationHandler {
 public:
  Board board;
  std::map<std::string, wire::SiteHello> connected;
  std::vector<std::string> left;
  std::vector<std::pair<std::string, wire::SiteMessage>> messages;
  std::map<std::string, std::vector<std::uint32_t>> vectors;  ///< by "site key"
  std::map<std::string, std::uint64_t> expected;              ///< words, by "site key"
  std::set<crypto::Digest> fetchable;
  std::vector<std::pair<std::string, std::string>> submitted;
  std::vector<job::JobSignature> signatures;  ///< of `submitted`
  std::vector<std::string> stopped;
  std::vector<std::string> removed;
  std::vector<std::string> callers;     ///< who asked for jobs, a spec or a watch: "researcher marie"
  std::uint64_t weights_quota = ~0ULL;  ///< bytes of one upload
  std::vector<std::string> weights;     ///< "researcher digest", as they were received
  struct Current {
    std::uint64_t version = 0;
    report::JobStatus status;
  } current;
  std::vector<service::SiteStatus> site_list;

  void site_connected(const std::string& site, const wire::SiteHello& hello) override;
  void site_message(const std::string& site, wire::SiteMessage message) override;
  void site_disconnected(const std::string& site) override;
  Result<std::uint64_t> expected_words(const std::string& site, const job::SessionKey& key) override;
  Result<void> vector_received(const std::string& site, const job::SessionKey& key,
                               const std::filesystem::path& file) override;
  Result<void> may_fetch(const pki::Identity& peer, const crypto::Digest& digest) override;
  Result<void> expect_weights(const std::string& researcher, std::uint64_t bytes) override;
  Result<void> weights_received(const std::string& researcher, const crypto::Digest& digest,
                                std::uint64_t bytes) override;
  Result<std::string> submit(const std::string& researcher, const std::string& spec_text,
                             const job::JobSignature& signature) override;
  std::vector<report::JobStatus> jobs(const pki::Identity& caller) override;
  Result<Versioned> watch(const pki::Identity& caller, const std::string& job_id, std::uint64_t seen,
                          std::chrono::milliseconds timeout) override;
  Result<std::string> job_spec(const pki::Identity& caller, const std::string& job_id) override;
  Result<void> stop(const pki::Identity& caller, const std::string& job_id) override;
  Result<void> remove(const pki::Identity& caller, const std::string& job_id) override;
  std::vector<service::SiteStatus> sites() override;
};

/// Holds the events that a link reports, for a test to wait for.
class RecordingEvents {
 public:
  Board board;
  unsigned connected = 0;
  std::string coordinator;  ///< the coordinator of the latest connection
  std::vector<wire::CoordinatorMessage> received;
  std::vector<Error> lost;

  [[nodiscard]] transport::LinkEvents events();
};

/// The PEM files of one member.
struct Member {
  std::filesystem::path root, certificate, key, revocation_list;
};

/// Represents a consortium with its coordinator's service on loopback, over real TLS.
class Federation {
 public:
  Federation();
  ~Federation();

  Member enroll(pki::Role role, const std::string& name);
  /// Revokes a member's certificate in the list that the service reads.
  void revoke(pki::Role role, const std::string& name);
  /// Restarts the service on the same port.
  void restart();
  void stop();
  [[nodiscard]] transport::LinkConfig link_config(const Member& member, const std::string& site, int port = 0);
  [[nodiscard]] std::unique_ptr<transport::CoordinatorLink> link(const std::string& site, int port = 0);
  /// Stores a blob of `bytes` pseudo-random bytes that sites can fetch.
  crypto::Digest blob(std::size_t bytes);
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::filesystem::path spool() const { return folder / "spool"; }

  pki::TemporaryFolder folder;
  RecordingHandler handler;
  std::optional<journal::BlobStore> blobs;
  std::unique_ptr<service::CoordinationService> service;

 private:
  std::optional<pki::Authority> authority_;
  service::ServiceConfig config_;
  int port_ = 0;
};

/// Returns the words 0, 1, 2, ... times an odd number, so that each place has a different value.
[[nodiscard]] std::vector<std::uint32_t> words_of(std::size_t count);
[[nodiscard]] std::string upload_name(const std::string& site, const job::SessionKey& key);

}  // namespace consilium::testing
