#include "common/secagg/commit.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>

#include "common/encoding/byte_reader.h"
#include "common/encoding/byte_writer.h"
#include "common/job/cohort_rules.h"
#include "common/job/job_limits.h"
#include "common/pki/identity.h"
#include "common/secagg/statement.h"

namespace consilium::secagg {
namespace {

using encoding::ByteReader;
using encoding::ByteWriter;

constexpr std::string_view kMagic = "CMT1";
constexpr std::size_t kMaxName = 63;

void write(ByteWriter& out, const CommitStatement& statement) {
  out.bytes(std::span<const std::uint8_t>(statement.job));
  out.kind(statement.kind);
  out.integer(statement.round);
  out.integer(static_cast<std::uint32_t>(statement.groups.size()));
  for (const auto& [group, cohort] : statement.groups) {
    out.integer(group);
    out.bytes(std::span<const std::uint8_t>(cohort));
  }
  out.bytes(std::span<const std::uint8_t>(statement.model));
  out.bytes(std::span<const std::uint8_t>(statement.state));
}

CommitStatement read_statement(ByteReader& in) {
  CommitStatement statement;
  statement.job = in.digest();
  statement.kind = in.kind("kind of sum", job::SumKind::kEvaluate);
  statement.round = in.integer<std::uint32_t>("round", 0, job::kMaxRounds);
  const std::size_t count = in.integer<std::uint32_t>("number of groups", 1, job::kMaxCountGroups);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const std::uint32_t lowest = i == 0 ? 0 : statement.groups.back().group + 1;
    const std::uint32_t group = in.integer<std::uint32_t>("group", lowest, job::kMaxCountGroups - 1);
    statement.groups.push_back({group, in.digest()});
  }
  statement.model = in.digest();
  statement.state = in.digest();
  return statement;
}

void write(ByteWriter& out, const CommitSignature& signature) {
  out.prefixed<std::uint8_t>(std::string_view(signature.site));
  out.prefixed<std::uint16_t>(std::string_view(signature.certificate));
  out.prefixed<std::uint8_t>(std::span(signature.signature));
}

CommitSignature read_signature(ByteReader& in) {
  CommitSignature read;
  read.site = in.text<std::uint8_t>("length of a site's name", 1, kMaxName);
  if (const auto named = pki::check_name(read.site); in.ok() && !named) in.refuse("site: " + named.error().message);
  read.certificate = in.text<std::uint16_t>("length of a certificate", 1, kMaxCertificateBytes);
  const auto bytes = in.prefixed<std::uint8_t>("length of a signature", 1, kMaxSignatureBytes);
  read.signature = {bytes.begin(), bytes.end()};
  return read;
}

Result<void> require(bool holds, std::string why) {
  if (holds) return {};
  return fail(ErrorCode::kPermissionDenied, "commit: " + std::move(why));
}

/// Maps each site of the job to the index of its group.
std::map<std::string, std::size_t> groups_by_site(const std::vector<std::vector<std::string>>& groups) {
  std::map<std::string, std::size_t> by_site;
  for (std::size_t index = 0; index < groups.size(); ++index) {
    for (const std::string& site : groups[index]) by_site.emplace(site, index);
  }
  return by_site;
}

/// Counts the members of each group that have signed. Fails if any signature is wrong in any way.
Result<std::vector<std::uint32_t>> count_signers(const SignedCommit& commit,
                                                 const std::vector<std::vector<std::string>>& groups,
                                                 const Authenticator& authenticator) {
  const auto falls = [](const CommitSignature& a, const CommitSignature& b) { return a.site >= b.site; };
  CONSILIUM_TRY(require(std::ranges::adjacent_find(commit.signatures, falls) == commit.signatures.end(),
                        "a site has signed twice"));  // check: commit-signers-differ
  const std::vector<std::byte> statement = commit_bytes(commit.statement);
  const auto by_site = groups_by_site(groups);
  std::vector<std::uint32_t> signers(groups.size(), 0);
  for (const CommitSignature& signature : commit.signatures) {
    const auto group = by_site.find(signature.site);
    CONSILIUM_TRY(require(group != by_site.end(), signature.site + " has signed, but is in none of the job's groups"));
    const auto named = [&signature](Result<void> checked) -> Result<void> {
      if (checked) return {};
      return fail(checked.error().within("commit: signature of " + signature.site));
    };
    CONSILIUM_TRY(named(authenticator.check_certificate(signature.site,
                                                        signature.certificate)));  // check: commit-certificate
    CONSILIUM_TRY(named(authenticator.verify(signature.certificate, statement,
                                             signature.signature)));  // check: commit-signature
    ++signers[group->second];
  }
  return signers;
}

}  // namespace

std::vector<std::byte> commit_bytes(const CommitStatement& statement) {
  ByteWriter out;
  write(out, statement);
  return Statement("consilium/v1/commit").add(out.take()).take();
}

std::vector<std::byte> encode(const SignedCommit& commit) {
  ByteWriter out;
  out.text(kMagic);
  write(out, commit.statement);
  out.integer(static_cast<std::uint8_t>(commit.signatures.size()));
  for (const CommitSignature& signature : commit.signatures) write(out, signature);
  return out.take();
}

Result<SignedCommit> decode_commit(std::span<const std::byte> bytes) {
  if (bytes.size() > kMaxCommitBytes)
    return fail(ErrorCode::kInvalidArgument, fmt::format("commit: more than {} bytes", kMaxCommitBytes));
  ByteReader in(bytes);
  const auto magic = in.bytes(kMagic.size());
  if (in.ok() && !std::ranges::equal(magic, std::as_bytes(std::span(kMagic)))) in.refuse("not a commit");
  SignedCommit commit{read_statement(in), {}};
  const std::size_t count = in.integer<std::uint8_t>("number of signatures", 1, kMaxSites);
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    commit.signatures.push_back(read_signature(in));
    if (i > 0 && in.ok() && commit.signatures[i].site <= commit.signatures[i - 1].site)
      in.refuse("signatures: expected them in order of name, each site once");
  }
  if (in.ok() && in.left() > 0) in.refuse("bytes are left over");
  if (!in.ok()) return fail(ErrorCode::kInvalidArgument, "commit: " + in.error());
  return commit;
}

std::uint32_t commit_quorum(std::size_t members, std::uint32_t colluding) {
  return job::threshold(static_cast<std::uint32_t>(members), colluding);
}

Result<void> check_commit(const SignedCommit& commit, const std::vector<std::vector<std::string>>& groups,
                          std::uint32_t colluding, const Authenticator& authenticator) {
  CONSILIUM_ASSIGN(const std::vector<std::uint32_t> signers, count_signers(commit, groups, authenticator));
  const auto& included_groups = commit.statement.groups;
  const auto falls = [](const IncludedGroup& a, const IncludedGroup& b) { return a.group >= b.group; };
  CONSILIUM_TRY(require(std::ranges::adjacent_find(included_groups, falls) == included_groups.end(),
                        "a group is counted twice"));  // check: commit-groups-differ
  const auto has_quorum = [&](std::size_t group) {
    return signers[group] >= commit_quorum(groups[group].size(), colluding);
  };
  for (const IncludedGroup& included : included_groups) {
    CONSILIUM_TRY(require(included.group < groups.size(),
                          fmt::format("found group {} of a job with {} groups", included.group, groups.size())));
    CONSILIUM_TRY(
        require(has_quorum(included.group),
                fmt::format("{} sites of group {} have signed; {} are needed", signers[included.group], included.group,
                            commit_quorum(groups[included.group].size(), colluding))));  // check: commit-included
  }
  std::size_t signed_groups = 0;
  for (std::size_t group = 0; group < groups.size(); ++group) signed_groups += has_quorum(group) ? 1 : 0;
  CONSILIUM_TRY(require(
      2 * signed_groups > groups.size(),
      fmt::format("enough sites have signed in {} of the job's {} groups; more than half of the groups are needed",
                  signed_groups, groups.size())));  // check: commit-majority
  return {};
}

}  // namespace consilium::secagg
