#include "client/masking/ledger_union.h"

#include <algorithm>
#include <functional>

#include "client/masking/group_ledger.h"
#include "tests/catch.h"
#include "tests/unit/client/masking/ledger_fixtures.h"
#include "tests/unit/common/roster/signing_sites.h"

namespace consilium::masking {
namespace {

using Catch::Contains;
using Group = std::vector<std::string>;

const Group kUnionGroup{"east", "north", "south"};
const Group kUnionOther{"east", "south", "west"};  // without north
const crypto::Digest kUnionJob = crypto::sha256("a job");

const roster::SigningSites& sites() {
  static const roster::SigningSites all({"east", "north", "south", "west"});
  return all;
}

roster::Roster roster_of() {
  roster::Roster roster;
  roster.consortium = "lung";
  roster.serial = 3;
  roster.sites = sites().keys({"east", "north", "south", "west"});
  roster.populations = {{"chest", {"chest"}, roster::Mode::kMasked, 500, {kUnionGroup}, {kUnionGroup}}};
  return roster;
}

secagg::Seen advert(std::uint64_t number, const std::string& site) {
  return {number, crypto::sha256(site + std::to_string(number))};
}

/// Returns what `site` writes for north: its own last advert is 9, and it has seen 7 of each other member.
LedgerFile file_of(const std::string& site) {
  LedgerFile file;
  file.consortium = "lung";
  file.site = site;
  file.reader = "north";
  file.code = 77;
  file.serial = 3;
  GroupContent group{kUnionGroup, advert(9, site), {}};
  for (const std::string& member : kUnionGroup) {
    if (member != site) group.seen.push_back(advert(7, member));
  }
  file.content.groups = {group};
  file.content.jobs = {{kUnionJob, "chest", 5}};
  file.certificate = sites().certificate(site);
  REQUIRE(sign(file, sites().signer(site)));
  return file;
}

/// Returns the same with one change, signed again.
LedgerFile file_of(const std::string& site, const std::function<void(LedgerFile&)>& change) {
  LedgerFile file = file_of(site);
  change(file);
  REQUIRE(sign(file, sites().signer(site)));
  return file;
}

/// North's own ledger, restored to when it had made 3 adverts.
LedgerContent restored_ledger() {
  return {.groups = {{kUnionGroup, advert(3, "north"), {advert(3, "east"), advert(3, "south")}}}, .jobs = {}};
}

Result<Adoption> unite(const std::vector<LedgerFile>& files, const roster::Roster& roster = roster_of()) {
  return unite_ledgers(files, {"north", 77, roster, restored_ledger()});
}

void check_no_union(const std::vector<LedgerFile>& files, const std::string& words) {
  const auto united = unite(files);
  REQUIRE_FALSE(united);
  CHECK_THAT(united.error().message, Contains(words));
}

TEST_CASE("a ledger's file is written as it is read, and anything else is refused") {
  const LedgerFile file = file_of("east");
  const std::vector<std::byte> bytes = encode(file);
  CHECK(decode_ledger_file(bytes).value() == file);
  CHECK(decode_ledger_content(encode(file.content), "east", "north").value() == file.content);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    REQUIRE_FALSE(decode_ledger_file(std::span(bytes).first(size)).has_value());
  std::vector<std::byte> longer = bytes;
  longer.push_back(std::byte{0});
  CHECK_FALSE(decode_ledger_file(longer).has_value());
  CHECK_FALSE(decode_ledger_file(std::vector<std::byte>(kMaxLedgerBytes + 1)).has_value());
}

TEST_CASE("a file with members, groups or jobs twice, out of order, too large or too small is no ledger") {
  const auto decodes = [](const std::function<void(LedgerFile&)>& change) {
    LedgerFile file = file_of("east");
    change(file);
    return decode_ledger_file(encode(file)).has_value();
  };
  CHECK(decodes([](LedgerFile&) {}));
  CHECK_FALSE(decodes([](LedgerFile& f) { f.reader = "east"; }));
  CHECK_FALSE(decodes([](LedgerFile& f) { f.reader = "west"; }));  // west isn't in the group
  CHECK_FALSE(decodes([](LedgerFile& f) { f.site = "East"; }));
  CHECK_FALSE(decodes([](LedgerFile& f) { f.content.groups.push_back(f.content.groups[0]); }));
  CHECK_FALSE(decodes([](LedgerFile& f) { f.content.jobs.push_back(f.content.jobs[0]); }));
  CHECK_FALSE(decodes([](LedgerFile& f) { f.content.groups[0].members = {"east", "north", "north"}; }));
  CHECK_FALSE(decodes([](LedgerFile& f) { f.content.groups[0].members = {"north", "east", "south"}; }));
  CHECK_FALSE(decodes([](LedgerFile& f) {
    f.content.groups[0].members = {"east", "north"};
    f.content.groups[0].seen.pop_back();
  }));
  CHECK_FALSE(decodes([](LedgerFile& f) { f.content.groups[0].own.number = kMaxAdvertNumber + 1; }));
  CHECK_FALSE(decodes([](LedgerFile& f) { f.content.groups[0].own.number = 0; }));  // the digest would have to be zeros
  CHECK_FALSE(decodes([](LedgerFile& f) { f.content.jobs[0].population = ""; }));
  CHECK_FALSE(decodes([](LedgerFile& f) { f.content.jobs[0].sums = 3'000'000; }));
  CHECK_FALSE(decodes([](LedgerFile& f) { f.certificate.clear(); }));
}

TEST_CASE("the union has what the members have seen of this site, what each says of itself, and every job") {
  const crypto::Digest other = crypto::sha256("another job");
  const LedgerFile south = file_of("south", [&](LedgerFile& f) {
    f.content.groups[0].seen[1] = advert(8, "north");
    f.content.jobs = {{kUnionJob, "chest", 4}, {other, "", 0}};
    std::ranges::sort(f.content.jobs, {}, &JobContent::job);
  });
  const Adoption adoption = unite({file_of("east"), south}).value();
  CHECK(adoption.own == std::vector<Adoption::Advert>{{kUnionGroup, "north", advert(7, "north")},
                                                      {kUnionGroup, "north", advert(8, "north")}});
  CHECK(adoption.others == std::vector<Adoption::Advert>{{kUnionGroup, "east", advert(9, "east")},
                                                         {kUnionGroup, "south", advert(9, "south")}});
  std::vector<JobContent> jobs{{kUnionJob, "chest", 5}, {other, "", 0}};
  std::ranges::sort(jobs, {}, &JobContent::job);
  CHECK(adoption.jobs == jobs);
}

TEST_CASE(
    "a job's sums count in its population, whatever a member says, and what this site's own ledger knows counts") {
  const LedgerFile liar = file_of("south", [](LedgerFile& f) { f.content.jobs = {{kUnionJob, "heart", 9}}; });
  check_no_union({file_of("east"), liar},
                 "belongs to the population 'chest', and south that it belongs to 'heart': one of them");
  // If no other member reports it, this site's own word counts.
  const auto nothing = [](LedgerFile& f) { f.content.jobs.clear(); };
  LedgerContent own = restored_ledger();
  own.jobs = {{kUnionJob, "chest", 3}};
  const auto united = [&](const std::vector<LedgerFile>& files) {
    return unite_ledgers(files, {"north", 77, roster_of(), own});
  };
  CHECK(united({file_of("east", nothing), file_of("south", nothing)}).value().jobs == own.jobs);
  CHECK_FALSE(united({file_of("east", nothing), liar}));
  CHECK(united({file_of("east"), file_of("south")}).value().jobs == std::vector<JobContent>{{kUnionJob, "chest", 5}});
}

TEST_CASE("a member's file has no groups that the roster doesn't know") {
  const LedgerFile liar = file_of("south", [](LedgerFile& f) {
    f.content.groups.push_back({{"north", "south", "west"}, advert(1, "south"), {advert(1, "north"), {}}});
  });
  check_no_union({file_of("east"), liar}, "the file of south: it lists the group {north, south, west}, which is in no");
  roster::Roster roster = roster_of();
  roster.populations[0].history.push_back({"north", "south", "west"});
  CHECK_THAT(unite({file_of("east"), liar}, roster).error().message, Contains("missing: west"));
}

TEST_CASE("every other member of each of the site's groups is asked, but not those of a group that can't meet again") {
  roster::Roster roster = roster_of();
  CHECK(members_to_ask("north", roster, {}) == std::set<std::string>{"east", "south"});
  LedgerContent own;
  own.groups = {{{"north", "south", "west"}, {}, {}}};
  CHECK(members_to_ask("north", roster, own) == std::set<std::string>{"east", "south", "west"});
  roster.sites.erase("west");
  CHECK(members_to_ask("north", roster, own) == std::set<std::string>{"east", "south"});
  roster.sites.erase("east");
  CHECK(members_to_ask("north", roster, own).empty());
  check_no_union({file_of("east")}, "missing: south");
  check_no_union({}, "missing: east, south");
}

TEST_CASE("a file that isn't its member's, or is another site's, is refused") {
  const LedgerFile south = file_of("south");
  LedgerFile changed = file_of("east");
  changed.content.groups[0].seen[0].number = 2;  // not signed again
  CHECK(unite({changed, south}).error().code == ErrorCode::kUnauthenticated);
  LedgerFile forged = file_of("east", [](LedgerFile& f) { f.certificate = sites().certificate("west"); });
  REQUIRE(sign(forged, sites().signer("west")));
  check_no_union({forged, south}, "expected the roster's");
  check_no_union({file_of("east", [](LedgerFile& f) { f.reader = "south"; }), south}, "it is for site 'south'");
  check_no_union({file_of("east", [](LedgerFile& f) { f.consortium = "heart"; }), south}, "of consortium 'heart'");
  LedgerFile unknown = file_of("west", [](LedgerFile& f) { f.site = "zest"; });
  check_no_union({file_of("east"), south, unknown}, "'zest' isn't one of the roster's sites");
}

TEST_CASE("an old file is refused: one of another request, of a newer roster than this site's, or behind its ledger") {
  const LedgerFile south = file_of("south");
  check_no_union({file_of("east", [](LedgerFile& f) { f.code = 76; }), south}, "it answers another request");
  check_no_union({file_of("east", [](LedgerFile& f) { f.serial = 4; }), south}, "get the newest roster first");
  check_no_union({file_of("east", [](LedgerFile& f) { f.content.groups[0].own = advert(2, "east"); }), south},
                 "it is older than this site's own ledger");
  check_no_union({file_of("east", [](LedgerFile& f) { f.content.groups.clear(); }), south},
                 "it is older than this site's own ledger");
}

TEST_CASE("a member whose own ledger was set back, or about whom another one lies, is named") {
  const LedgerFile behind = file_of("east", [](LedgerFile& f) { f.content.groups[0].own = advert(5, "east"); });
  check_no_union({behind, file_of("south")}, "south has seen east's advert 7, but the file of east ends at 5");
}

TEST_CASE("one file of a member counts, and two are refused") {
  check_no_union({file_of("east"), file_of("east"), file_of("south")}, "there are two files from east");
}

/// North's ledger in a folder, reopened for every use.
struct North {
  pki::TemporaryFolder folder;
  [[nodiscard]] GroupLedger ledger() const {
    auto opened = GroupLedger::open(folder.path());
    REQUIRE(opened.has_value());
    return *std::move(opened);
  }
  [[nodiscard]] Result<void> begin(const crypto::Digest& job, std::uint64_t number) const {
    return ledger().begin({job, job::SumKind::kCensus, 0}, 1, kUnionGroup, advert(number, "north"));
  }
};

TEST_CASE("after the adoption a site's adverts go on where the others are, and every job of before is closed") {
  const North north;
  const crypto::Digest known = crypto::sha256("a job that only north knows of");
  REQUIRE(north.begin(known, 1));
  REQUIRE(north.ledger().set_back(kUnionGroup, "set back: consilium-client ledger request"));
  check_refused(north.begin(crypto::sha256("new"), 2), ErrorCode::kPermissionDenied, {"ledger request"});

  const Adoption adoption = unite({file_of("east"), file_of("south")}).value();
  REQUIRE(north.ledger().adopt(adoption));
  CHECK(north.ledger().next_advert(kUnionGroup).value() == 8);
  CHECK(north.ledger().check_claims(kUnionGroup, std::vector{advert(7, "north"), secagg::Seen{}}));
  CHECK(north.ledger().check_claims(kUnionGroup, std::vector{advert(1, "north")}));
  CHECK_FALSE(north.ledger().check_claims(kUnionGroup, std::vector{advert(6, "north")}));
  CHECK(north.ledger().seen(kUnionGroup, "north").value() == std::vector{advert(9, "east"), advert(9, "south")});
  for (const crypto::Digest& job : {kUnionJob, known}) CHECK(north.ledger().ended(job).value().has_value());
  CHECK(north.begin(crypto::sha256("new"), 8));
  // Adopts again, also with older ledgers: no value decreases.
  Adoption older = adoption;
  for (Adoption::Advert& one : older.others) one.advert = advert(4, one.site);
  older.own[0].advert = advert(2, "north");
  REQUIRE(north.ledger().adopt(older));
  CHECK(north.ledger().next_advert(kUnionGroup).value() == 9);
  CHECK(north.ledger().seen(kUnionGroup, "north").value() == std::vector{advert(9, "east"), advert(9, "south")});
}

TEST_CASE("two members that have seen two adverts of one number are both content with what was adopted") {
  const North north;
  const LedgerFile south = file_of("south", [](LedgerFile& f) {
    f.content.groups[0].seen[1] = {7, crypto::sha256("what north advertised after it was set back")};
  });
  REQUIRE(north.ledger().adopt(unite({file_of("east"), south}).value()));
  CHECK(north.ledger().check_claims(kUnionGroup, std::vector{advert(7, "north"), south.content.groups[0].seen[1]}));
}

TEST_CASE("a member tells what it shares with the reader, and nothing of other groups") {
  const North north;  // a folder with east's ledger, this time
  const crypto::Digest shared = crypto::sha256("shared");
  const crypto::Digest apart = crypto::sha256("apart");
  GroupLedger east = north.ledger();
  REQUIRE(east.begin({shared, job::SumKind::kCensus, 0}, 1, kUnionGroup, advert(1, "east")));
  REQUIRE(east.begin({apart, job::SumKind::kCensus, 0}, 1, kUnionOther, advert(1, "east")));
  REQUIRE(east.begin({kUnionJob, job::SumKind::kCensus, 0}, 1, kUnionGroup, advert(2, "east")));
  Release release;
  release.population = "chest";
  release.attempt = 1;
  release.group = kUnionGroup;
  for (const auto kind : {job::SumKind::kTrain, job::SumKind::kEvaluate}) {
    release.sum = {shared, kind, 1};
    REQUIRE(east.release(release, crypto::sha256("x"), crypto::sha256("y"), "east",
                         std::vector{advert(4, "north"), advert(6, "south")}));
  }
  release.group = kUnionOther;
  release.sum.job = apart;
  REQUIRE(east.release(release, crypto::sha256("x"), crypto::sha256("y"), "east",
                       std::vector{advert(4, "south"), advert(6, "west")}));

  LedgerContent content = east.content_for("north", "east").value();
  REQUIRE(content.groups.size() == 1);
  CHECK(content.groups[0] == GroupContent{kUnionGroup, advert(2, "east"), {advert(4, "north"), advert(6, "south")}});
  std::vector<JobContent> jobs{{shared, "chest", 2}, {kUnionJob, "", 0}};
  std::ranges::sort(jobs, {}, &JobContent::job);
  CHECK(content.jobs == jobs);
  add_jobs(content, {shared, crypto::sha256("only a key")});
  CHECK(content.jobs.size() == 3);
  CHECK(east.content_for("east", "east").value().groups.size() == 2);
}

}  // namespace
}  // namespace consilium::masking
