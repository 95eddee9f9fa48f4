#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/secagg/commit.h"

namespace consilium::round {

/// Collects the sites' signatures for one round in mode `masked`, until the commit has enough of them
/// (secagg::check_commit). Verifies each signature once, on arrival. Not thread-safe.
class Endorsements {
 public:
  /// @param spec  must outlive the object
  Endorsements(const job::JobSpec& spec, secagg::CommitStatement statement,
               std::shared_ptr<const secagg::Authenticator> authenticator);

  /// Accepts a commit that carries one site's own signature. Fails with kInvalidArgument if it isn't such a commit,
  /// with kPermissionDenied if the site signed a different statement from the coordinator's, and with kUnauthenticated
  /// if the signature isn't valid. A repeated signature changes nothing.
  Result<void> take(const std::string& site, std::span<const std::byte> bytes);
  [[nodiscard]] bool complete() const;
  /// Returns the commit with all signatures received so far.
  [[nodiscard]] const secagg::SignedCommit& commit() const { return commit_; }
  /// Returns the sites whose signatures count and that haven't signed yet.
  [[nodiscard]] std::vector<std::string> missing() const;

 private:
  [[nodiscard]] bool signed_by(const std::string& site) const;

  const job::JobSpec* spec_;
  std::vector<std::vector<std::string>> groups_;
  secagg::SignedCommit commit_;
  std::shared_ptr<const secagg::Authenticator> authenticator_;
};

}  // namespace consilium::round
