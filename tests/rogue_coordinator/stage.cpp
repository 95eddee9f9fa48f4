#include "tests/rogue_coordinator/stage.h"

#include <unistd.h>

#include <thread>

#include "client/approval/control_socket.h"
#include "client/trainer/data/npz_writer.h"
#include "common/crypto/issue.h"
#include "common/crypto/x509.h"
#include "common/job/job_signature.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/model/model_parameters.h"
#include "common/roster/members.h"
#include "common/roster/roster_file.h"
#include "tests/catch.h"

namespace consilium::rogue {

namespace fs = std::filesystem;

namespace {

/// The job without its model.
constexpr std::string_view kJob = R"(
name: rogue
data: {dataset: chest, normalize: {mean: 0.5, std: 0.5}}
training: {local_epochs: 2, batch_size: 8, optimizer: {name: sgd, learning_rate: 0.000001}}
federation: {rounds: 5, quorum: 0.75}
strategy: {name: fedavg, weighting: population}
evaluation: {every: 1, split: val}
seed: 7
)";

constexpr std::string_view kPolicy =
    "researchers: [ada]\ndatasets: [chest, renamed]\ntasks: [classification]\nstrategies: [fedavg]\nmax_rounds: 1000\n"
    "max_local_epochs: 1000\nminimum_cohort: 1\n";

/// Returns the job with a linear model of this many classes.
job::JobSpec job_of(unsigned classes) {
  const std::string number = std::to_string(classes);
  const std::string text = std::string(kJob) + "model: {layers: [flatten, {linear: " + number +
                           "}], input: [1, 8, 8], classes: " + number + "}\n";
  return job::parse_job(text, "job.yaml").value();
}

data::Split split(std::size_t count, int seed, std::size_t classes = 2, std::size_t labels = 2) {
  data::Split made;
  std::vector<std::uint8_t> pixels(count * 64);
  for (std::size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = static_cast<std::uint8_t>(i * 37 % 251 + static_cast<std::size_t>(seed));
  made.values = pixels;
  for (std::size_t i = 0; i < count; ++i)
    made.labels.push_back(labels > 2 ? static_cast<std::uint16_t>(i % labels) : i % classes == 0 ? 0 : 1);
  return made;
}

/// Writes into the existing file, because the trainer's confinement is to that file, not to its name.
void put_data(const fs::path& folder, const data::Dataset& dataset) {
  REQUIRE(data::write_npz(folder / "fresh.npz", dataset));
  REQUIRE(fs::copy_file(folder / "fresh.npz", folder / "chest.npz", fs::copy_options::overwrite_existing));
}

void give_to_nobody(const fs::path& path) {
  if (::geteuid() != 0) return;
  constexpr uid_t kNobody = 65534;
  REQUIRE(::chown(path.c_str(), kNobody, kNobody) == 0);
}

/// Returns the session of a message from north.
std::optional<job::SessionKey> session_of(const wire::SiteMessage& message) {
  if (const auto* masking = std::get_if<wire::Masking>(&message)) return masking->key;
  if (const auto* failed = std::get_if<wire::SessionFailed>(&message)) return failed->key;
  return std::nullopt;
}

}  // namespace

Credentials Minting::certify(const std::string& site, const fs::path& key, std::chrono::seconds validity) {
  const pki::Identity identity{authority_.consortium(), pki::Role::kSite, site};
  const crypto::KeyPtr loaded = crypto::read_private_key(pki::text_of(key)).value();
  const crypto::RequestPtr request = crypto::issue_request(site, pki::to_uri(identity), loaded.get()).value();
  return {authority_.sign(crypto::to_pem(request.get()).value(), identity, {}, validity).value(),
          pki::make_file_signer(key).value()};
}

Credentials Minting::mint(const std::string& site) {
  const fs::path key = folder_ / (site + std::to_string(++minted_) + ".key");
  REQUIRE(pki::create_key_and_request(key, {authority_.consortium(), pki::Role::kSite, site}));
  return certify(site, key);
}

Stage::Stage(const StageOptions& options) : options_(options), sites_(options.sites) {
  const fs::path folder = federation_.folder.path();
  // The root with an empty book: it signs for any name, as anybody with the root's key could.
  fs::copy(folder / "ca", folder / "corrupt", fs::copy_options::recursive);
  corrupt_.emplace(pki::Authority::open(folder / "corrupt").value(), folder / "corrupt");
  foreign_.emplace(pki::Authority::create(folder / "foreign", "lung", std::chrono::days(10)).value(),
                   folder / "foreign");
  for (const std::string& site : sites_) {
    const testing::Member files = federation_.enroll(pki::Role::kSite, site);
    const std::string certificate = pki::text_of(files.certificate);
    roster_.emplace(site, crypto::digest_from_hex(pki::key_fingerprint(certificate).value()).value());
    if (site != kNorth) played_[site] = {certificate, pki::make_file_signer(files.key).value()};
  }
  ada_ = researcher("ada");
  trust_ = pki::TrustStore::open(folder / "ca" / "root.pem", folder / "ca" / "crl.pem").value();
  configure();
  start_client();
}

void Stage::configure() {
  const fs::path folder = federation_.folder.path();
  const pki::Authority authority = pki::Authority::open(folder / "ca").value();
  roster::Roster roster = roster::members_of(authority).value();
  if (!options_.groups.empty()) {
    roster.serial = 1;
    roster.populations = {{"chest", {"chest"}, roster::Mode::kMasked, kBound, options_.groups, options_.groups}};
  }
  pki::write_text(folder / "roster.yaml", roster::roster_text(roster));
  pki::write_text(folder / "policy.yaml", std::string(kPolicy) + options_.policy);
  write_data(0);
  pki::write_text(folder / "client.yaml",
                  "site: north\nserver_name: localhost\ncoordinator: 127.0.0.1:" + std::to_string(federation_.port()) +
                      "\npolicy: policy.yaml\nroster: roster.yaml\nstate_dir: state\n"
                      "tls: {root: ca/root.pem, certificate: north.pem, key: north.key, revocation_list: ca/crl.pem}\n"
                      "trainer: {command: [" CONSILIUM_BIN_DIR "/consilium-linear-trainer, --sleep-ms, \"" +
                      std::to_string(options_.training_ms) + "\"" + options_.trainer +
                      "], device: cpu}\n"
                      "datasets:\n  chest: {type: npz, path: chest.npz}\n" +
                      options_.datasets);
  fs::create_directory(folder / "state");
  if (options_.unprivileged) {
    for (const char* name : {"", "ca", "ca/root.pem", "ca/crl.pem", "north.pem", "north.key", "state"}) {
      give_to_nobody(folder / name);
    }
  }
}

void Stage::write_data(int seed) {
  const auto of = [&](std::size_t count) { return split(count, seed, 2, options_.labels); };
  put_data(folder(), {{1, 8, 8}, options_.labels, of(options_.examples), of(kValidation), of(kValidation)});
}

void Stage::change_data() { write_data(4); }

void Stage::give_data(std::size_t training, std::size_t validation, std::size_t classes) {
  put_data(folder(), {{1, 8, 8}, 2, split(training, 0, classes), split(validation, 0), split(kValidation, 0)});
}

void Stage::await_connection() {
  const bool connected = federation_.handler.board.wait(
      [&] { return federation_.handler.connected.contains(kNorth) || !client_->running(); });
  INFO(log());
  REQUIRE((connected && client_->running()));
}

void Stage::start_client() {
  client_.emplace(federation_.folder / "client.yaml", federation_.folder / "client.log", options_.environment,
                  options_.unprivileged);
  await_connection();
}

void Stage::cut_connection() {
  federation_.restart();
  REQUIRE(federation_.handler.board.wait([&] { return !federation_.handler.left.empty(); }));
  await_connection();
}

void Stage::kill_client() {
  client_->kill();
  REQUIRE(federation_.handler.board.wait([&] { return !federation_.handler.connected.contains(kNorth); }));
}

void Stage::restart_client() {
  kill_client();
  start_client();
}

void Stage::revoke(const std::string& site) {
  pki::Authority authority = pki::Authority::open(federation_.folder / "ca").value();
  REQUIRE(authority.revoke(pki::Role::kSite, site));
}

job::JobSpec Stage::job(const std::vector<std::string>& sites) const {
  job::JobSpec spec = job_of(options_.classes);
  spec.federation.sites = sites;
  auto complete = job::with_roster(std::move(spec), roster_);
  INFO((complete ? std::string() : complete.error().message));
  REQUIRE(complete.has_value());
  return *complete;
}

job::PopulationTerms Stage::terms() const {
  return {"chest", kBound, options_.groups, roster::history_digest(options_.groups)};
}

job::JobSpec Stage::job(job::PopulationTerms terms) const {
  auto complete = job::with_population(job_of(options_.classes), roster_, 1, std::move(terms));
  INFO((complete ? std::string() : complete.error().message));
  REQUIRE(complete.has_value());
  return *complete;
}

std::uint64_t Stage::model_bytes() const { return model::build_manifest(job().model)->parameter_count() * 4; }

crypto::Digest Stage::model(std::size_t number) {
  const std::vector<float> values(model_bytes() / 4, static_cast<float>(number) / 1024);
  return put(std::as_bytes(std::span(values)));
}

crypto::Digest Stage::put(std::span<const std::byte> bytes) {
  const crypto::Digest digest = federation_.blobs->put(bytes).value();
  federation_.handler.board.post([&] { federation_.handler.fetchable.insert(digest); });
  return digest;
}

job::JobSignature Stage::sign(const Credentials& researcher, const crypto::Digest& digest,
                              std::chrono::seconds valid_for, const std::string& coordinator) {
  const auto until = (std::chrono::system_clock::now() + valid_for).time_since_epoch();
  return job::sign_job(*researcher.signer, researcher.certificate, coordinator, digest,
                       std::chrono::duration_cast<std::chrono::seconds>(until).count())
      .value();
}

Credentials Stage::researcher(const std::string& name) {
  const testing::Member files = federation_.enroll(pki::Role::kResearcher, name);
  return {pki::text_of(files.certificate), pki::make_file_signer(files.key).value()};
}

wire::JobAnswer Stage::answer_to(const wire::JobOffer& offer) {
  const std::size_t before = said().size();
  send(offer);
  return next_job_answer(offer.job_id, before);
}

wire::JobAnswer Stage::next_job_answer(const std::string& job_id, std::size_t after) {
  std::optional<wire::JobAnswer> found;
  REQUIRE(federation_.handler.board.wait([&] {
    const auto& messages = federation_.handler.messages;
    for (std::size_t i = after; i < messages.size() && !found; ++i) {
      const auto* answer = std::get_if<wire::JobAnswer>(&messages[i].second);
      if (answer != nullptr && answer->job_id == job_id) found = *answer;
    }
    return found.has_value();
  }));
  return *found;
}

bool Stage::offer(const std::string& job_id, const job::JobSpec& job) {
  const wire::JobOffer offer{job_id, job::canonical_text(job), sign(ada_, job::job_digest(job))};
  wire::JobAnswer answer = answer_to(offer);
  if (answer.consent == wire::JobConsent::kWaits) {
    const std::size_t before = said().size();
    const std::string digest = crypto::to_hex(job::job_digest(job));
    REQUIRE(approval::ask_daemon(folder() / "state", approval::request_text("approve", digest, "ada")));
    answer = next_job_answer(job_id, before);
  }
  return answer.consent == wire::JobConsent::kAccepted;
}

void Stage::expect_upload(const job::SessionKey& key, std::uint64_t words) {
  federation_.handler.board.post([&] { federation_.handler.expected[testing::upload_name(kNorth, key)] = words; });
}

std::optional<secagg::SiteMessage> Stage::next_answer(const job::SessionKey& key, std::chrono::milliseconds patience) {
  const auto due = std::chrono::steady_clock::now() + patience;
  do {
    std::size_t place = 0;
    for (const wire::SiteMessage& message : said()) {
      if (session_of(message) != key || place++ < taken_[key]) continue;
      ++taken_[key];
      const auto* masking = std::get_if<wire::Masking>(&message);
      if (masking == nullptr) return std::nullopt;
      auto decoded = secagg::decode_site_message(masking->message);
      REQUIRE(decoded.has_value());
      return std::move(*decoded);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  } while (std::chrono::steady_clock::now() < due && client_->running());
  return std::nullopt;
}

std::optional<wire::SessionFailed> Stage::refusal(const job::SessionKey& key) {
  std::optional<wire::SessionFailed> found;
  const auto refused = [&] {
    for (const auto& [site, message] : federation_.handler.messages) {
      const auto* failed = std::get_if<wire::SessionFailed>(&message);
      if (failed != nullptr && failed->key == key) found = *failed;
    }
    return found.has_value();
  };
  const auto due = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!federation_.handler.board.read(refused) && std::chrono::steady_clock::now() < due) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return found;
}

std::optional<std::vector<std::uint32_t>> Stage::upload(const job::SessionKey& key) {
  std::optional<std::vector<std::uint32_t>> words;
  const std::string name = testing::upload_name(kNorth, key);
  const auto over = [&] {
    if (const auto found = federation_.handler.vectors.find(name); found != federation_.handler.vectors.end()) {
      words = found->second;
      return true;
    }
    for (const auto& [site, message] : federation_.handler.messages) {
      const auto* failed = std::get_if<wire::SessionFailed>(&message);
      if (failed != nullptr && failed->key == key) return true;
    }
    return false;
  };
  CHECK(federation_.handler.board.wait(over));
  return words;
}

std::vector<wire::SiteMessage> Stage::said() {
  return federation_.handler.board.read([&] {
    std::vector<wire::SiteMessage> messages;
    for (const auto& [site, message] : federation_.handler.messages) messages.push_back(message);
    return messages;
  });
}

std::map<std::string, std::vector<std::uint32_t>> Stage::uploads() {
  return federation_.handler.board.read([&] { return federation_.handler.vectors; });
}

bool Stage::logged(const std::string& text) {
  const auto due = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (log().find(text) == std::string::npos) {
    if (std::chrono::steady_clock::now() > due) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

}  // namespace consilium::rogue
