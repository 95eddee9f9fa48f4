#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/round_order.h"
#include "common/secagg/authenticator.h"
#include "common/secagg/messages.h"

/// The statement that sites sign when they have checked a round: the groups in the round, and the model that results
/// from it.
namespace consilium::secagg {

/// A group whose sum is included in a round.
struct IncludedGroup {
  std::uint32_t group = 0;  ///< its index in the job
  crypto::Digest cohort{};  ///< ctx2 of the attempt that was summed
  bool operator==(const IncludedGroup&) const = default;
};

struct CommitStatement {
  crypto::Digest job{};  ///< job_digest()
  job::SumKind kind = job::SumKind::kCensus;
  std::uint32_t round = 0;
  std::vector<IncludedGroup> groups;  ///< ascending by index, at least one
  crypto::Digest model{};             ///< of the resulting model; zero if the sum changes no model
  crypto::Digest state{};             ///< of the strategy's state
  bool operator==(const CommitStatement&) const = default;
};

/// Returns the bytes that a site signs: a label and the statement's canonical encoding. A site signs at most one
/// statement for each (job, kind, round), and records it on disk before it signs. The rule of check_commit() depends on
/// that.
[[nodiscard]] std::vector<std::byte> commit_bytes(const CommitStatement& statement);

struct CommitSignature {
  std::string site;
  std::string certificate;  ///< PEM
  Signature signature;      ///< over commit_bytes()
  bool operator==(const CommitSignature&) const = default;
};
struct SignedCommit {
  CommitStatement statement;
  std::vector<CommitSignature> signatures;  ///< in order of name, each site once
  bool operator==(const SignedCommit&) const = default;
};

/// The largest encoded commit that is accepted: 255 signatures with the longest certificates, and 255 groups.
inline constexpr std::size_t kMaxCommitBytes = kMaxSites * (kMaxCertificateBytes + 512);

/// Encodes canonically: equal commits give equal bytes.
[[nodiscard]] std::vector<std::byte> encode(const SignedCommit& commit);
/// Decodes hostile bytes and accepts only what encode() could have written. Sizes are bounded before anything is
/// allocated. Fails with kInvalidArgument; the message says what was expected.
Result<SignedCommit> decode_commit(std::span<const std::byte> bytes);

/// Returns how many members of a group of `members` sites must sign: floor((members + colluding) / 2) + 1.
[[nodiscard]] std::uint32_t commit_quorum(std::size_t members, std::uint32_t colluding);

/// Checks that a commit counts. A quorum of commit_quorum() different members must have signed in each included group,
/// and in more than half of the job's groups, included or not. Every signature must be by a member of one of the job's
/// groups, with a certificate that is in force, over this very statement. No group may be included twice. The caller is
/// responsible for checking that the statement is about the expected job, kind and round.
///
/// As long as at most c sites of the job sign more than one statement, no two different statements for one (job, kind,
/// round) can both count. Proof: each of two commits has a quorum in more than half of the groups, so some group has a
/// quorum for both. Let n be the number of its members. The two quorums together have 2 floor((n + c) / 2) + 2 >= n + c
/// + 1 signatures, so at least c + 1 members signed both, and one of them is honest. A quorum smaller by one would
/// allow both: the c colluders sign both statements, and the n - c honest members split into halves. docs/adr/0018 says
/// more.
///
/// The quorum in each included group has a second purpose: more than c of its members confirm that the ctx2 is the one
/// of their own upload, which nobody outside the group can know.
/// @param groups  the job's groups by index; no name occurs twice
/// @return kPermissionDenied or kUnauthenticated, naming the group or site that is missing or wrong
Result<void> check_commit(const SignedCommit& commit, const std::vector<std::vector<std::string>>& groups,
                          std::uint32_t colluding, const Authenticator& authenticator);

}  // namespace consilium::secagg
