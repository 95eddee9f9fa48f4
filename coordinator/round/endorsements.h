#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/secagg/commit.h"

namespace consilium::round {

/// Collects what sites sign of one round in mode `masked`, until a commit counts (secagg::check_commit). Each signature
/// is verified once, on arrival. Not thread-safe.
class Endorsements {
 public:
  /// @param spec  outlives the object
  Endorsements(const job::JobSpec& spec, secagg::CommitStatement statement,
               std::shared_ptr<const secagg::Authenticator> authenticator);

  /// Takes a commit with one site's own signature. kInvalidArgument where it isn't one, kPermissionDenied where the
  /// site signed another statement than the coordinator's, kUnauthenticated where the signature doesn't count. A
  /// signature that comes again changes nothing.
  Result<void> take(const std::string& site, std::span<const std::byte> bytes);
  [[nodiscard]] bool complete() const;
  /// The commit with all signatures so far.
  [[nodiscard]] const secagg::SignedCommit& commit() const { return commit_; }
  /// Sites that haven't signed yet and whose signature counts.
  [[nodiscard]] std::vector<std::string> missing() const;

 private:
  [[nodiscard]] bool signed_by(const std::string& site) const;

  const job::JobSpec* spec_;
  std::vector<std::vector<std::string>> groups_;
  secagg::SignedCommit commit_;
  std::shared_ptr<const secagg::Authenticator> authenticator_;
};

}  // namespace consilium::round
