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

/// What sites sign when they have checked a round: which groups are in it and which model follows from it.
namespace consilium::secagg {

/// A group whose sum is in a round.
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
  crypto::Digest model{};             ///< of the model that follows; zero where the sum changes none
  crypto::Digest state{};             ///< of the strategy's state
  bool operator==(const CommitStatement&) const = default;
};

/// Returns what a site signs: a label and the statement's canonical bytes. A site signs at most one statement for each
/// (job, kind, round), and records it on disk first; the rule of check_commit() stands on that.
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

/// Largest encoded commit accepted: 255 signatures with the longest certificates, and 255 groups.
inline constexpr std::size_t kMaxCommitBytes = kMaxSites * (kMaxCertificateBytes + 512);

/// Encodes canonically: equal commits give equal bytes.
[[nodiscard]] std::vector<std::byte> encode(const SignedCommit& commit);
/// Decodes hostile bytes; accepts only what encode() could have written. Sizes are bounded before anything is
/// allocated; kInvalidArgument says what was expected.
Result<SignedCommit> decode_commit(std::span<const std::byte> bytes);

/// How many members of a group of `members` sites must sign: floor((members + colluding) / 2) + 1.
[[nodiscard]] std::uint32_t commit_quorum(std::size_t members, std::uint32_t colluding);

/// Says whether a commit counts: quorum of commit_quorum() different members in each included group, and in more than
/// half of the job's groups, included or not; every signature is by a member of one of the job's groups, with a
/// certificate that is in force, over this very statement; no group is included twice. Whether the statement is about
/// the expected job, kind and round is the caller's to compare.
///
/// No two different statements for one (job, kind, round) can both count while at most c sites of the job sign more
/// than one: Two commits have a quorum each in more than half of the groups, so both have one in some group, of n
/// members say. Two quorums of it together have 2 floor((n + c) / 2) + 2 >= n + c + 1 signatures, so at least c + 1
/// members signed both, and one of them is honest. With one signature fewer there would be room for two: c colluders
/// sign both, and the n - c honest members part into halves. docs/adr/0018 says more.
///
/// The quorum in each included group has another purpose: more than c of its members confirm that the ctx2 is the one
/// of their own upload, which nobody outside of the group can know.
/// @param groups  of the job, by index; no name twice
/// @return kPermissionDenied or kUnauthenticated with the group or site that is missing or wrong
Result<void> check_commit(const SignedCommit& commit, const std::vector<std::vector<std::string>>& groups,
                          std::uint32_t colluding, const Authenticator& authenticator);

}  // namespace consilium::secagg
