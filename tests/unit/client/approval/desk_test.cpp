#include "client/approval/desk.h"

#include <nlohmann/json.hpp>

#include "client/approval/commands.h"
#include "client/approval/control_socket.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::approval {
namespace {

using nlohmann::json;

job::JobSpec chest_job(std::uint64_t seed) {
  job::JobSpec job = job::read_job(CONSILIUM_SOURCE_DIR "/examples/chest-xray.yaml").value();
  job.seed = seed;
  return job::with_roster(job, job::simulated_roster({"east", "north", "south", "west"})).value();
}

struct Office {
  pki::TemporaryFolder folder;
  std::unique_ptr<Approvals> approvals = Approvals::open(folder.path()).value();
  int decided = 0;
  std::vector<Release> given;
  Desk desk{{*approvals, [] { return std::optional<std::uint64_t>(400); }, [] { return std::int64_t{1'800'000'000}; },
             [this] { return Result<std::vector<Release>>(given); }, [this] { ++decided; }}};

  void offer(const job::JobSpec& job, const std::string& job_id, const std::string& researcher = "ada") {
    REQUIRE(approvals->keep({{job::job_digest(job), researcher}, job_id, job::canonical_text(job), 1'800'000'000}));
  }
  json ask(const std::string& command, const std::string& job = "", const std::string& researcher = "") {
    return json::parse(desk.answer(request_text(command, job, researcher), "anna"));
  }
  json approve(const job::JobSpec& job, const std::string& researcher = "ada") {
    return ask("approve", crypto::to_hex(job::job_digest(job)), researcher);
  }
  std::string words(const std::string& command, const std::string& job = "", const std::string& researcher = "") {
    return answer_in_words(command, desk.answer(request_text(command, job, researcher), "anna"));
  }
};

TEST_CASE("jobs are listed with who asks, declined by id, digest or its beginning, and approved by all of it") {
  Office office;
  office.offer(chest_job(1), "chest-xray-1");
  office.offer(chest_job(2), "chest-xray-2");
  const std::string digest = crypto::to_hex(job::job_digest(chest_job(1)));
  const json jobs = office.ask("jobs").at("jobs");
  REQUIRE(jobs.size() == 2);
  CHECK(jobs[0].at("state") == "waits");
  CHECK(jobs[0].at("researcher") == "ada");
  for (const std::string& name : {std::string("chest-xray-1"), digest, digest.substr(0, 8)}) {
    const json answer = office.ask("decline", name);
    CHECK(answer.at("state") == "declined");
    CHECK(answer.at("decision").at("by") == "anna");
  }
  CHECK(office.approve(chest_job(1)).at("state") == "approved");
  CHECK(office.decided == 4);
  CHECK(office.approvals->decision({job::job_digest(chest_job(1)), "ada"}).value()->approved);
  CHECK_FALSE(office.approvals->decision({job::job_digest(chest_job(2)), "ada"}).value());
  CHECK(office.ask("decline", "chest-xray-2").at("state") == "declined");
}

TEST_CASE("what names no job, or several, decides nothing") {
  Office office;
  office.offer(chest_job(1), "chest-xray-1");
  office.offer(chest_job(1), "chest-xray-2", "bob");
  const std::string digest = crypto::to_hex(job::job_digest(chest_job(1)));
  CHECK(office.ask("approve", digest).at("message").get<std::string>().find("names 2 jobs") != std::string::npos);
  // An identifier that can mean another job by now approves nothing.
  for (const std::string& name : {std::string("chest-xray-1"), digest.substr(0, 8), digest.substr(0, 63)}) {
    CHECK(office.ask("approve", name, "ada").at("error") == "invalid_argument");
  }
  CHECK(office.ask("approve", digest, "mallory").at("error") == "not_found");
  CHECK(office.ask("approve", digest, "mallory")
            .at("message")
            .get<std::string>()
            .find("was submitted by ada, bob, not by 'mallory'") != std::string::npos);
  for (const std::string& name : {digest.substr(0, 7), std::string("chest"), std::string(), std::string(64, '0'),
                                  digest + "0", std::string("\xff\n")}) {
    CHECK(office.ask("approve", name).at("error") == "not_found");
  }
  CHECK(office.decided == 0);
  CHECK(office.approve(chest_job(1), "bob").at("researcher") == "bob");
  office.ask("decline", "chest-xray-1");
  CHECK(office.ask("approve", digest, "ada").at("state") == "approved");
}

TEST_CASE("a request that can't be read is answered, too") {
  const Office office;
  for (const char* request : {"", "{", "[]", "7", "{\"command\": 7}", "{\"command\": \"shutdown\"}"}) {
    CHECK(json::parse(office.desk.answer(request, "anna")).at("error") == "invalid_argument");
  }
}

TEST_CASE("a job is shown as a person reads it") {
  Office office;
  office.offer(chest_job(1), "chest-xray-1");
  const std::string shown = office.words("show", "chest-xray-1");
  for (const char* part : {"waits for approval", "ada (signature verified)", "4: north, south, east, west",
                           "fedavg_cnn, ", "each over 4 hospitals", "of the 400 that maximum_sums allows"}) {
    INFO(shown);
    CHECK(shown.find(part) != std::string::npos);
  }
  CHECK(office.ask("show", "chest-xray-1").at("spec").at("name") == "chest-xray");
  CHECK(office.ask("show", "chest-xray-1").at("sums").at("counted") == false);
}

TEST_CASE("lists are tables, and empty ones say so") {
  Office office;
  CHECK(office.words("jobs") == "No job was offered to this site.\n");
  CHECK(office.words("releases") == "This site has contributed to no sum.\n");
  office.offer(chest_job(1), "chest-xray-1");
  CHECK(office.words("jobs").find("chest-xray-1  ") != std::string::npos);
  CHECK(office.words("jobs").find("waits for approval\n") != std::string::npos);
  office.given = {{"chest", "chest-xray-1", "ada", "train", 3, 0, 1'800'000'000}};
  office.approve(chest_job(1));
  const std::string releases = office.words("releases");
  INFO(releases);
  CHECK(
      releases.starts_with("POPULATION  JOB           RESEARCHER  KIND   ROUND  GROUP  WHEN\n"
                           "chest       chest-xray-1  ada         train  3      0      2027-01-15 08:00 UTC\n"));
  CHECK(releases.find("approved") != std::string::npos);
  const std::string digest = crypto::to_hex(job::job_digest(chest_job(1)));
  const std::string approved = office.words("approve", digest, "ada");
  CHECK(approved.starts_with("Approved job chest-xray-1 of ada, digest "));
  CHECK(approved.ends_with("To take it back: consilium-client decline chest-xray-1\n"));
}

TEST_CASE("without a list of releases nobody is told that there were none") {
  const Office office;
  const Desk desk({*office.approvals, [] { return std::nullopt; }, [] { return std::int64_t{0}; }});
  CHECK(json::parse(desk.answer(request_text("releases", ""), "anna")).at("error") == "failed_precondition");
}

}  // namespace
}  // namespace consilium::approval
