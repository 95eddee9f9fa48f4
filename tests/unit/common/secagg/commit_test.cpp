#include "common/secagg/commit.h"

#include <algorithm>
#include <set>

#include "tests/catch.h"
#include "tests/unit/common/secagg/certified_consortium.h"
#include "tests/unit/common/secagg/consortium.h"

namespace consilium::secagg {
namespace {

using Catch::StartsWith;
using Groups = std::vector<std::vector<std::string>>;

const QuickConsortium kMany(60);

Groups groups_of(const std::vector<std::size_t>& sizes) {
  Groups groups;
  std::size_t next = 0;
  for (const std::size_t members : sizes) {
    auto& group = groups.emplace_back();
    for (std::size_t i = 0; i < members; ++i) group.push_back(Consortium::name(next++));
  }
  return groups;
}

CommitStatement statement_of(std::vector<std::uint32_t> groups, std::string_view model = "a model") {
  CommitStatement statement;
  statement.job = crypto::sha256("a job");
  statement.kind = job::SumKind::kTrain;
  statement.round = 3;
  for (const std::uint32_t group : groups) statement.groups.push_back({group, crypto::sha256("ctx2")});
  statement.model = crypto::sha256(model);
  statement.state = crypto::sha256("a state");
  return statement;
}

CommitSignature signed_by(std::size_t site, const CommitStatement& statement) {
  return {Consortium::name(site), kMany.certificate(site), kMany.signer(site).sign(commit_bytes(statement)).value()};
}

SignedCommit commit_of(const CommitStatement& statement, const std::set<std::size_t>& sites) {
  SignedCommit commit{statement, {}};
  for (const std::size_t site : sites) commit.signatures.push_back(signed_by(site, statement));
  return commit;
}

std::string checked(const SignedCommit& commit, const Groups& groups, std::uint32_t colluding = 1) {
  const auto result = check_commit(commit, groups, colluding, kMany.authenticator());
  return result ? "COUNTS" : result.error().message;
}

}  // namespace

TEST_CASE("a commit needs enough members of each included group, and of more than half of the job's groups") {
  const Groups groups = groups_of({5, 5, 5});  // four of five in each
  const auto both = statement_of({0, 2});
  CHECK(checked(commit_of(both, {0, 1, 2, 3, 10, 11, 12, 13}), groups) == "COUNTS");
  CHECK(checked(commit_of(both, {1, 2, 3, 4, 10, 11, 13, 14}), groups) == "COUNTS");
  CHECK(checked(commit_of(both, {0, 1, 2, 10, 11, 12, 13}), groups) ==
        "commit: 3 sites of group 0 have signed; 4 are needed");
  CHECK(checked(commit_of(both, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}), groups) ==
        "commit: 3 sites of group 2 have signed; 4 are needed");
  const auto one = statement_of({1});
  CHECK(checked(commit_of(one, {5, 6, 7, 8}), groups) ==
        "commit: enough sites have signed in 1 of the job's 3 groups; more than half of the groups are needed");
  CHECK(checked(commit_of(one, {5, 6, 7, 8, 10, 11, 12}), groups) ==
        "commit: enough sites have signed in 1 of the job's 3 groups; more than half of the groups are needed");
  CHECK(checked(commit_of(one, {5, 6, 7, 8, 10, 11, 12, 13}), groups) == "COUNTS");
  CHECK(checked(commit_of(statement_of({0}), {0, 1, 2, 3}), groups_of({5, 5})) ==
        "commit: enough sites have signed in 1 of the job's 2 groups; more than half of the groups are needed");
  CHECK(checked(commit_of(statement_of({0}), {0, 1, 2}), groups_of({3})) == "COUNTS");
  CHECK(checked(commit_of(statement_of({0, 0}), {0, 1, 2}), groups_of({3})) == "commit: a group is counted twice");
  CHECK(checked(commit_of(statement_of({3}), {0, 1, 2}), groups_of({3})) ==
        "commit: found group 3 of a job with 1 groups");
}

TEST_CASE("a site signs a commit once, by its own certificate, over this very statement") {
  const Groups groups = groups_of({5});
  const auto statement = statement_of({0});
  auto commit = commit_of(statement, {0, 1, 2});
  commit.signatures.push_back(commit.signatures[2]);
  CHECK(checked(commit, groups) == "commit: a site has signed twice");

  commit = commit_of(statement, {0, 1, 2, 3});
  commit.signatures[3].certificate = Consortium::name(9);
  commit.signatures[3].signature = signed_by(9, statement).signature;
  CHECK(checked(commit, groups) == "commit: signature of site-003: a certificate of site-009");

  CHECK(checked(commit_of(statement, {0, 1, 2, 3, 9}), groups) ==
        "commit: site-009 has signed, but is in none of the job's groups");

  const auto over = [&](const auto& change) {
    auto other = statement;
    change(other);
    auto mixed = commit_of(statement, {0, 1, 2, 3});
    mixed.signatures[3] = signed_by(3, other);
    CHECK(checked(mixed, groups) == "commit: signature of site-003: the signature isn't that of site-003");
  };
  over([](auto& other) { other.job[0] ^= 1; });
  over([](auto& other) { other.kind = job::SumKind::kEvaluate; });
  over([](auto& other) { ++other.round; });
  over([](auto& other) { other.groups.push_back({1, {}}); });
  over([](auto& other) { other.groups[0].group = 256; });
  over([](auto& other) { other.groups[0].cohort[0] ^= 1; });
  over([](auto& other) { other.model[0] ^= 1; });
  over([](auto& other) { other.state[0] ^= 1; });
}

TEST_CASE("certificates of the field serve, and one that has ended doesn't") {
  CertifiedConsortium consortium(3);
  const auto statement = statement_of({0});
  SignedCommit commit{statement, {}};
  for (std::size_t i = 0; i < 3; ++i) {
    commit.signatures.push_back(
        {Consortium::name(i), consortium.certificate(i), consortium.signer(i).sign(commit_bytes(statement)).value()});
  }
  CHECK(check_commit(commit, groups_of({3}), 1, consortium.authenticator()));
  commit.signatures[1].certificate =
      consortium.certify(consortium.request(1), Consortium::name(1), std::chrono::hours{-1});
  const auto ended = check_commit(commit, groups_of({3}), 1, consortium.authenticator());
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code == ErrorCode::kUnauthenticated);
  CHECK_THAT(ended.error().message, StartsWith("commit: signature of site-001: "));
}

/// Returns the strongest pair of commits that c colluders can assemble from what honest sites signed: each statement
/// gets the signatures of all sites that signed it, and every colluder's.
struct TwoCommits {
  SignedCommit first, second;
};

TwoCommits two_commits(SeededRandom& random, std::size_t sites, const Groups& groups,
                       const std::set<std::size_t>& colluders, const std::vector<bool>& signs_second) {
  const auto draw = [&](std::string_view model) {
    std::vector<std::uint32_t> included;
    for (std::uint32_t group = 0; group < groups.size(); ++group) {
      if (random.below(3) == 0) included.push_back(group);
    }
    if (included.empty()) included.push_back(static_cast<std::uint32_t>(random.below(groups.size())));
    return statement_of(included, model);
  };
  const auto one = draw("one");
  const auto other = draw("other");
  std::set<std::size_t> first = colluders;
  std::set<std::size_t> second = colluders;
  for (std::size_t site = 0; site < sites; ++site) (signs_second[site] ? second : first).insert(site);
  return {commit_of(one, first), commit_of(other, second)};
}

TEST_CASE("where honest sites sign once, no two different commits of a round count, whoever colludes") {
  SeededRandom random(7);
  std::size_t counted = 0;
  for (int attempt = 0; attempt < 1500; ++attempt) {
    const auto colluding = static_cast<std::uint32_t>(1 + random.below(3));
    std::vector<std::size_t> sizes;
    std::size_t sites = 0;
    for (std::size_t group = 1 + random.below(4); group > 0; --group) {
      sizes.push_back(2 * colluding + 1 + random.below(4));
      sites += sizes.back();
    }
    const Groups groups = groups_of(sizes);
    std::set<std::size_t> colluders;
    const std::size_t crowd = random.below(sites);  // often all of one group, where they matter most
    while (colluders.size() < colluding) {
      colluders.insert(random.below(2) == 0 ? random.below(sites) : std::min(sites - 1, crowd + random.below(4)));
    }
    std::vector<bool> signs_second;
    const std::size_t share = 1 + random.below(8);
    for (std::size_t site = 0; site < sites; ++site) signs_second.push_back(random.below(9) < share);
    const TwoCommits commits = two_commits(random, sites, groups, colluders, signs_second);
    const bool first = checked(commits.first, groups, colluding) == "COUNTS";
    const bool second = checked(commits.second, groups, colluding) == "COUNTS";
    CHECK_FALSE((first && second));
    counted += first || second ? 1 : 0;
  }
  CHECK(counted > 100);  // the search does come close: single commits count
}

TEST_CASE("with one signature fewer, or half of the groups, two commits of a round would count") {
  for (std::uint32_t colluding = 1; colluding <= 4; ++colluding) {
    for (std::size_t members = 2 * colluding + 1; members <= 14; ++members) {
      // The honest sites split into halves, and colluders sign both: each half is one signature short.
      const std::size_t honest = members - colluding;
      const std::size_t smaller = honest / 2 + colluding;
      const std::size_t larger = honest - honest / 2 + colluding;
      CHECK(smaller + 1 == commit_quorum(members, colluding));
      CHECK(larger >= smaller);
      std::set<std::size_t> one;
      std::set<std::size_t> other;
      for (std::size_t site = 0; site < members; ++site) {
        if (site < smaller) one.insert(site);
        if (site < colluding || site >= smaller) other.insert(site);
      }
      const Groups groups = groups_of({members});
      CHECK_THAT(checked(commit_of(statement_of({0}, "one"), one), groups, colluding), StartsWith("commit: "));
      const bool other_counts = checked(commit_of(statement_of({0}, "other"), other), groups, colluding) == "COUNTS";
      CHECK(other_counts == (other.size() >= commit_quorum(members, colluding)));
    }
  }
  // With half of the groups for each, both would count without any collusion.
  const Groups groups = groups_of({3, 3});
  CHECK_THAT(checked(commit_of(statement_of({0}, "one"), {0, 1, 2}), groups), StartsWith("commit: enough sites"));
  CHECK_THAT(checked(commit_of(statement_of({1}, "other"), {3, 4, 5}), groups), StartsWith("commit: enough sites"));
}

TEST_CASE("a commit is read as it was written, and nothing else is read") {
  const auto commit = commit_of(statement_of({0, 2, 84}), {0, 1, 2, 11, 12, 13});
  const auto bytes = encode(commit);
  const auto read = decode_commit(bytes);
  REQUIRE(read);
  CHECK(*read == commit);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    CHECK_FALSE(decode_commit(std::span(bytes).first(i)));
    auto changed = bytes;
    changed[i] ^= std::byte{0x41};
    const auto other = decode_commit(changed);
    CHECK((!other || encode(*other) == changed));
  }
  auto longer = bytes;
  longer.push_back(std::byte{0});
  CHECK_FALSE(decode_commit(longer));
  CHECK_FALSE(decode_commit(std::vector<std::byte>(kMaxCommitBytes + 1)));

  const auto refused = [&](const auto& change) {
    auto other = commit;
    change(other);
    const auto decoded = decode_commit(encode(other));
    return decoded ? std::string("READ") : decoded.error().message;
  };
  CHECK_THAT(refused([](auto& other) { std::swap(other.signatures[0], other.signatures[1]); }),
             StartsWith("commit: signatures: expected them in order of name"));
  CHECK_THAT(refused([](auto& other) { std::swap(other.statement.groups[0], other.statement.groups[1]); }),
             StartsWith("commit: group"));
  CHECK_THAT(refused([](auto& other) { other.statement.groups[1] = other.statement.groups[0]; }),
             StartsWith("commit: group"));
  CHECK_THAT(refused([](auto& other) { other.statement.groups.clear(); }), StartsWith("commit: number of groups"));
  CHECK_THAT(refused([](auto& other) { other.signatures.clear(); }), StartsWith("commit: number of signatures"));
  CHECK_THAT(refused([](auto& other) { other.signatures[0].site = "Nobody!"; }), StartsWith("commit: site: "));
}

}  // namespace consilium::secagg
