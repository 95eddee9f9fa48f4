#include "tests/rogue_coordinator/memory.h"

#include <sys/stat.h>

#include <functional>
#include <set>
#include <sstream>

#include "tests/catch.h"
#include "tests/rogue_coordinator/sessions.h"

// What a process that reads the client's memory, or a core dump of it, would find.
namespace consilium::rogue {
namespace {

void play_a_round(Stage& stage, const std::function<void()>& before_confirming) {
  Attempt attempt(stage, train_session(stage));
  attempt.offer();
  attempt.share();
  attempt.hand_out();
  before_confirming();
  attempt.confirm();
  attempt.unmask();
  stage.send(wire::SessionClosed{attempt.key(), "done"});
  stage.send(wire::JobEnded{attempt.key().job_id, "finished"});
  REQUIRE(stage.logged("ended: finished"));
}

#ifndef CONSILIUM_RECORD_SECRETS

TEST_CASE("no process of the client's user can look into it, it leaves no core dump, and its trainer still works") {
  Stage stage({.unprivileged = true});
  const std::string folder = "/proc/" + std::to_string(stage.client().pid());
  struct stat status {};
  REQUIRE(::stat((folder + "/mem").c_str(), &status) == 0);
  CHECK(status.st_uid == 0);  // owned by root, because the process is not dumpable (proc(5))
  const std::string limits = pki::text_of(folder + "/limits");
  const std::size_t core = limits.find("Max core file size");
  REQUIRE(core != std::string::npos);
  std::istringstream words(limits.substr(core + std::string("Max core file size").size()));
  std::string soft, hard;
  words >> soft >> hard;
  CHECK(soft == "0");
  CHECK(hard == "0");
  play_a_round(stage, [] {});
  check_discreet(stage, 1);
}

#else

std::string from_hex(const std::string& line) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < line.size(); i += 2)
    bytes += static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16));
  return bytes;
}

/// The keys that the client recorded: each that it has used and wiped.
std::set<std::string> recorded(const std::filesystem::path& file) {
  std::istringstream lines(pki::text_of(file));
  std::set<std::string> secrets;
  for (std::string line; std::getline(lines, line);) {
    std::string bytes = from_hex(line);
    if (bytes.size() >= 16 && bytes.find_first_not_of('\0') != std::string::npos) secrets.insert(std::move(bytes));
  }
  return secrets;
}

/// Removes the shares that north was asked for: the coordinator has them, so they are no longer secret.
void remove_revealed(Stage& stage, std::set<std::string>& secrets) {
  for (const auto& [round, messages] : sent<secagg::Reveal>(stage)) {
    for (const std::string& message : messages) {
      const auto decoded = secagg::decode_site_message(std::as_bytes(std::span(message))).value();
      for (const secagg::RevealedShare& share : std::get<secagg::Reveal>(decoded).shares)
        secrets.erase(std::string(share.begin(), share.end()));
    }
  }
}

TEST_CASE("no key of a masked round is left in the client's memory, and none of them was ever in a core dump") {
  const pki::TemporaryFolder folder;
  const std::filesystem::path file = folder / "secrets";
  std::optional<Stage> stage;
  stage.emplace(StageOptions{.environment = {"CONSILIUM_SECRETS_FILE=" + file.string()}});
  std::vector<Region> during;
  play_a_round(*stage, [&] { during = memory_of(stage->client().pid()); });
  const std::vector<Region> after = memory_of(stage->client().pid());
  check_discreet(*stage, 1);
  std::set<std::string> secrets = recorded(file);
  remove_revealed(*stage, secrets);
  CHECK(secrets.size() >= 20);  // both key pairs, the seed, 3 agreed keys and box keys each way, 4 masks, 4 shares
  std::size_t seen = 0;
  for (const std::string& secret : secrets) {
    seen += regions_with(during, secret).empty() ? 0 : 1;
    for (const std::string& region : regions_with(during, secret, true))
      FAIL_CHECK("during the round, a core dump would have a key of " << secret.size() << " bytes from " << region);
    for (const std::string& region : regions_with(after, secret))
      FAIL_CHECK("after the round, a key of " << secret.size() << " bytes lies in " << region);
  }
  CHECK(seen >= 4);  // the shares that north then held, so the search finds what exists
}

#endif

}  // namespace
}  // namespace consilium::rogue
