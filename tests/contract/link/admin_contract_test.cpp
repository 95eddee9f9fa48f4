#include <thread>

#include "cli/admin_client.h"
#include "common/job/job_signature.h"
#include "common/job/job_text.h"
#include "common/pki/signer.h"
#include "tests/catch.h"
#include "tests/contract/link/federation_fixture.h"

using Catch::Contains;
using namespace consilium;
using namespace consilium::testing;

namespace {

constexpr const char* kJob =
    "{name: tiny, model: {name: mlp_2nn, input: [1, 8, 8], classes: 2}, data: {dataset: chest},\n"
    " training: {local_epochs: 1, batch_size: 8, optimizer: {name: sgd, learning_rate: 0.1}},\n"
    " federation: {rounds: 2, minimum_sites: 1}, strategy: {name: fedavg},\n"
    " privacy: {secure_aggregation: off}, seed: 7}\n";

cli::AdminClient client_of(Federation& federation, const Member& member) {
  return cli::AdminClient::create({"127.0.0.1:" + std::to_string(federation.port()), "localhost", "", member.root,
                                   member.certificate, member.key, member.revocation_list})
      .value();
}

cli::AdminClient client_of(Federation& federation) {
  return client_of(federation, federation.enroll(pki::Role::kResearcher, "marie"));
}

/// Returns a status with a value in every field.
report::JobStatus status_of(unsigned rounds) {
  report::JobStatus status;
  status.job_id = "chest-xray-1";
  status.name = "chest-xray";
  status.phase = report::JobPhase::kTraining;
  status.round = rounds;
  status.rounds = 20;
  status.detail = "round under way";
  status.sites = {{"north", "training"}, {"south", "declined: dataset"}};
  for (unsigned round = 1; round <= rounds; ++round) {
    report::RoundRecord record;
    record.round = round;
    record.cohort = {"north", "south"};
    record.contributed = {"north"};
    record.failed = {{"south", "training failed: CUDA out of memory"}};
    record.seconds = 1.5 * round;
    record.train_loss = 1.0 / round;
    record.metrics = task::Metrics{100,
                                   {{"loss", 0.5, 0.0, false}, {"accuracy", 0.8}, {"auc", 0.9, 0.001}},
                                   {{"confusion", 2, 2, {40, 10, 10, 40}}}};
    record.site_metrics["north"] = *record.metrics;
    record.partial = {"west"};
    record.evaluation_failed = {{"west", "evaluation failed: disk full"}};
    record.evaluation_seconds = 0.25 * round;
    record.bytes = 1000 * round;
    record.clipped = round;
    record.coordinates = 2 * round;
    record.alone = task::Metrics{90, {{"loss", 0.75, 0.0, false}, {"accuracy", 0.7}}, {}};
    record.model.fill(static_cast<std::uint8_t>(round));
    record.started_seconds = 1'795'000'000 + 60 * round;
    record.ended_seconds = 1'795'000'050 + 60 * round;
    status.history.push_back(record);
  }
  status.model = crypto::sha256("model");
  status.examples = 280;
  status.eta_seconds = 12.5;
  status.researcher = "marie";
  status.submitted_seconds = 1'795'000'000;
  status.started_seconds = 1'795'000'020;
  status.ended_seconds = 1'795'000'900;
  return status;
}

/// The structured binding fails to compile if a record has a new field that status_of() doesn't fill.
bool same(const report::RoundRecord& left, const report::RoundRecord& right) {
  [[maybe_unused]] const auto& [round, cohort, contributed, partial, failed, evaluation_failed, seconds,
                                evaluation_seconds, bytes, train_loss, clipped, coordinates, metrics, site_metrics,
                                alone, model, started_seconds, ended_seconds] = left;
  return left == right;
}

}  // namespace

TEST_CASE("a researcher submits, lists, reads and stops jobs, and lists sites") {
  Federation federation;
  auto client = client_of(federation);
  federation.handler.current = {1, status_of(3)};
  federation.handler.site_list = {{"north", true, "consilium-client 0.1.0", {"chest", "skin"}, "idle"},
                                  {"south", false, "", {}, ""}};

  const job::JobSpec spec = job::parse_job(kJob, "job.yaml").value();
  CHECK(client.submit(spec).value() == "job-1");
  CHECK(federation.handler.submitted ==
        std::vector<std::pair<std::string, std::string>>{{"marie", job::canonical_text(spec)}});
  const job::JobSignature& signature = federation.handler.signatures.at(0);
  CHECK(signature.coordinator == "spiffe://lung/coordinator/hub");
  const Member marie = federation.enroll(pki::Role::kResearcher, "marie");
  CHECK(signature.certificate == pki::text_of(marie.certificate));
  const auto statement = job::job_statement("lung", signature.coordinator, job::job_digest(spec), signature.not_after);
  CHECK(pki::verify(signature.certificate, statement, signature.signature));
  CHECK(client.spec("job-1").value() == "the spec of job-1");
  CHECK(client.stop("job-1"));
  CHECK(federation.handler.stopped == std::vector<std::string>{"spiffe://lung/researcher/marie job-1"});
  CHECK(client.remove("job-1"));
  CHECK(federation.handler.removed == std::vector<std::string>{"spiffe://lung/researcher/marie job-1"});
  CHECK(client.sites().value() == federation.handler.site_list);

  const auto jobs = client.jobs().value();
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].sites == federation.handler.current.status.sites);
  CHECK(jobs[0].researcher == "marie");
  CHECK(jobs[0].submitted_seconds == 1'795'000'000);
  CHECK(jobs[0].started_seconds == 1'795'000'020);
  CHECK(jobs[0].ended_seconds == 1'795'000'900);
  REQUIRE(jobs[0].history.size() == 1);
  CHECK(same(jobs[0].history[0], federation.handler.current.status.history[2]));
  CHECK(client.status("chest-xray-1").value().history.size() == 3);
  CHECK_FALSE(federation.handler.callers.empty());
  for (const std::string& caller : federation.handler.callers) CHECK(caller == "researcher marie");
}

TEST_CASE("an operator lists and stops jobs and sees sites, and gets nothing that a job learned") {
  Federation federation;
  auto client = client_of(federation, federation.enroll(pki::Role::kOperator, "olga"));
  federation.handler.current = {1, status_of(3)};
  federation.handler.site_list = {{"north", true, "consilium-client 0.1.0", {"chest", "skin"}, "idle"}};

  const auto jobs = client.jobs().value();
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].phase == report::JobPhase::kTraining);
  CHECK(jobs[0].sites == federation.handler.current.status.sites);
  CHECK(federation.handler.callers == std::vector<std::string>{"operator olga"});  // the handler decides who gets what
  CHECK(client.stop("job-1"));
  CHECK(federation.handler.stopped == std::vector<std::string>{"spiffe://lung/operator/olga job-1"});
  CHECK(client.remove("job-1"));
  CHECK(federation.handler.removed == std::vector<std::string>{"spiffe://lung/operator/olga job-1"});
  CHECK(client.sites().value() == federation.handler.site_list);

  const auto refused = [](const auto& outcome) {
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == ErrorCode::kPermissionDenied);
    CHECK(outcome.error().message.find("an operator is not allowed to connect here") != std::string::npos);
  };
  refused(client.submit(job::parse_job(kJob, "job.yaml").value()));
  refused(client.spec("job-1"));
  refused(client.status("chest-xray-1"));
  const auto weights = federation.folder / "weights.bin";
  pki::write_text(weights, "1234");
  refused(client.put_blob(weights));
  const auto digest = federation.blobs->put(std::as_bytes(std::span("model"))).value();
  refused(client.fetch_model(digest, federation.folder / "fetched.bin"));
  CHECK(federation.handler.submitted.empty());
}

TEST_CASE("a coordinator that is refused is named with the reason and what to do") {
  Federation federation;
  auto client = client_of(federation);
  federation.revoke(pki::Role::kCoordinator, "hub");
  const auto refused = client.jobs();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kUnauthenticated);
  CHECK_THAT(refused.error().message, Contains("spiffe://lung/coordinator/hub: the certificate is refused: "
                                               "certificate revoked") &&
                                          Contains("ask the consortium's certificate authority"));
}

TEST_CASE("a watcher hears every state it is in time for, with the whole history, until the job has ended") {
  Federation federation;
  auto client = client_of(federation);
  auto& handler = federation.handler;
  handler.current = {1, status_of(2)};
  std::vector<report::JobStatus> seen;
  const auto watched = client.watch("chest-xray-1", [&](const report::JobStatus& status) {
    seen.push_back(status);
    handler.board.post([&] {
      ++handler.current.version;
      if (seen.size() == 1) handler.current.status = status_of(3);
      if (seen.size() == 2) {  // a record that changes after its round
        report::RoundRecord record = handler.current.status.history[2];
        record.train_loss = 7.0;
        handler.current.status.history.replace(2, record);
      }
      if (seen.size() == 3) handler.current.status.phase = report::JobPhase::kFinished;
    });
  });
  CHECK(watched);
  REQUIRE(seen.size() == 4);
  CHECK(seen[0].history.size() == 2);
  CHECK(seen[1].history.size() == 3);
  CHECK(seen[2].history[2].train_loss == 7.0);
  CHECK(seen[3].phase == report::JobPhase::kFinished);
  REQUIRE(seen[3].history.size() == 3);
  for (std::size_t round = 0; round < 3; ++round)
    CHECK(same(seen[3].history[round], handler.current.status.history[round]));
}

TEST_CASE("a watch ends when it is asked to, when the coordinator leaves, or refuses to go on") {
  Federation federation;
  auto client = client_of(federation);
  federation.handler.current = {1, status_of(1)};
  std::stop_source stop;
  SECTION("asked to") {
    const auto watched = client.watch(
        "chest-xray-1", [&](const report::JobStatus&) { stop.request_stop(); }, stop.get_token());
    CHECK(watched.error().code == ErrorCode::kCancelled);
  }
  SECTION("the coordinator leaves") {
    std::jthread leaving;
    const auto watched = client.watch(
        "chest-xray-1", [&](const report::JobStatus&) { leaving = std::jthread([&] { federation.stop(); }); });
    CHECK(watched.error().code == ErrorCode::kUnavailable);
  }
  SECTION("the researcher is revoked") {
    const auto watched = client.watch(
        "chest-xray-1", [&](const report::JobStatus&) { federation.revoke(pki::Role::kResearcher, "marie"); });
    CHECK(watched.error().code == ErrorCode::kUnauthenticated);
    CHECK(watched.error().message.find("revoked") != std::string::npos);
  }
  SECTION("no such job") {
    const auto watched = client.watch("chest-xray-2", [](const report::JobStatus&) {});
    CHECK(watched.error().code == ErrorCode::kNotFound);
    CHECK(watched.error().message == "no job chest-xray-2");
  }
}

TEST_CASE("initial weights are put before the job is submitted, and a model is fetched by its digest") {
  Federation federation;
  auto client = client_of(federation);
  const auto words = words_of(1'000'001);
  const auto weights = federation.folder / "weights.bin";
  const auto bytes = std::as_bytes(std::span(words));
  pki::write_text(weights, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  REQUIRE(client.submit(job::parse_job(kJob, "job.yaml").value(), weights));
  const auto digest = crypto::sha256(bytes);
  CHECK(federation.blobs->size(digest).value() == bytes.size());

  CHECK(federation.handler.weights ==
        std::vector<std::string>{"marie " + crypto::to_hex(digest) + " " + std::to_string(bytes.size())});

  const auto fetched = federation.folder / "fetched.bin";
  CHECK(client.fetch_model(digest, fetched).error().code == ErrorCode::kPermissionDenied);
  CHECK(pki::text_of(fetched).empty());
  federation.handler.board.post([&] { federation.handler.fetchable = {digest, crypto::sha256("absent")}; });
  REQUIRE(client.fetch_model(digest, fetched));
  CHECK(pki::text_of(fetched) == pki::text_of(weights));
  std::filesystem::resize_file(fetched, 1'500'000);
  REQUIRE(client.fetch_model(digest, fetched));
  CHECK(pki::text_of(fetched) == pki::text_of(weights));

  CHECK(client.fetch_model(crypto::sha256("absent"), federation.folder / "absent").error().code ==
        ErrorCode::kNotFound);
  CHECK(client.put_blob(federation.folder / "no such file").error().code == ErrorCode::kNotFound);
  pki::write_text(federation.folder / "empty", "");
  CHECK(client.put_blob(federation.folder / "empty").error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("a site's certificate may not ask what researchers may, and a coordinator that is gone is named") {
  Federation federation;
  auto site = client_of(federation, federation.enroll(pki::Role::kSite, "north"));
  CHECK(site.jobs().error().code == ErrorCode::kPermissionDenied);
  auto client = client_of(federation);
  federation.stop();
  const auto jobs = client.jobs();
  CHECK(jobs.error().code == ErrorCode::kUnavailable);
  CHECK(jobs.error().message.find("cannot reach the coordinator at 127.0.0.1:") != std::string::npos);
}

TEST_CASE("weights beyond a researcher's quota are refused before a byte of them is spooled") {
  Federation federation;
  auto client = client_of(federation);
  federation.handler.weights_quota = 1000;
  const auto weights = federation.folder / "weights.bin";
  pki::write_text(weights, std::string(1001, 'w'));
  const auto refused = client.put_blob(weights);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kResourceExhausted);
  CHECK(refused.error().message.find("marie has no room for 1001 bytes") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(federation.spool() / "researcher.marie" / "blob.part"));
  CHECK(federation.handler.weights.empty());
}

TEST_CASE("of weights that have arrived, no file is left in the spool") {
  Federation federation;
  auto client = client_of(federation);
  const auto weights = federation.folder / "weights.bin";
  pki::write_text(weights, std::string(1000, 'w'));
  REQUIRE(client.put_blob(weights));
  const auto spooled = federation.spool() / "researcher.marie" / "blob.part";
  CHECK(std::filesystem::exists(spooled.parent_path()));
  // The file is removed when the call ends, which can be a moment after its answer.
  for (int wait = 0; wait < 600 && std::filesystem::exists(spooled); ++wait)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CHECK_FALSE(std::filesystem::exists(spooled));
}
