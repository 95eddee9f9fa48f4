#include "tests/contract/link/federation_fixture.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "common/wire/tls_credentials.h"
#include "tests/catch.h"

namespace consilium::testing {

namespace {
const bool kBarred = (wire::restrict_to_tls13(), true);

std::string caller_text(const pki::Identity& caller) {
  return std::string(pki::name_of(caller.role)) + " " + caller.name;
}
}  // namespace

std::string upload_name(const std::string& site, const job::SessionKey& key) { return site + " " + to_string(key); }

std::vector<std::uint32_t> words_of(std::size_t count) {
  std::vector<std::uint32_t> words(count);
  for (std::size_t index = 0; index < count; ++index) words[index] = static_cast<std::uint32_t>(index * 2654435761U);
  return words;
}

void RecordingHandler::site_connected(const std::string& site, const wire::SiteHello& hello) {
  board.post([&] { connected[site] = hello; });
}

void RecordingHandler::site_message(const std::string& site, wire::SiteMessage message) {
  board.post([&] { messages.emplace_back(site, std::move(message)); });
}

void RecordingHandler::site_disconnected(const std::string& site) {
  board.post([&] {
    connected.erase(site);
    left.push_back(site);
  });
}

Result<std::uint64_t> RecordingHandler::expected_words(const std::string& site, const job::SessionKey& key) {
  return board.read([&]() -> Result<std::uint64_t> {
    if (vectors.contains(upload_name(site, key))) return fail(ErrorCode::kAlreadyExists, "it is in the sum already");
    const auto found = expected.find(upload_name(site, key));
    if (found == expected.end()) return fail(ErrorCode::kFailedPrecondition, "session is not open to " + site);
    return found->second;
  });
}

Result<void> RecordingHandler::vector_received(const std::string& site, const job::SessionKey& key,
                                               const std::filesystem::path& file) {
  const std::string bytes = pki::text_of(file);
  std::filesystem::remove(file);
  std::vector<std::uint32_t> words(bytes.size() / sizeof(std::uint32_t));
  std::memcpy(words.data(), bytes.data(), words.size() * sizeof(std::uint32_t));
  board.post([&] { vectors[upload_name(site, key)] = std::move(words); });
  return {};
}

Result<void> RecordingHandler::may_fetch(const pki::Identity& peer, const crypto::Digest& digest) {
  return board.read([&]() -> Result<void> {
    callers.push_back(caller_text(peer));
    if (fetchable.contains(digest)) return {};
    return fail(ErrorCode::kPermissionDenied, "no model for " + peer.name);
  });
}

Result<void> RecordingHandler::expect_weights(const std::string& researcher, std::uint64_t bytes) {
  return board.read([&]() -> Result<void> {
    if (bytes <= weights_quota) return {};
    return fail(ErrorCode::kResourceExhausted, researcher + " has no room for " + std::to_string(bytes) + " bytes");
  });
}

Result<void> RecordingHandler::weights_received(const std::string& researcher, const crypto::Digest& digest,
                                                std::uint64_t bytes) {
  board.post([&] { weights.push_back(researcher + " " + crypto::to_hex(digest) + " " + std::to_string(bytes)); });
  return {};
}

Result<std::string> RecordingHandler::submit(const std::string& researcher, const std::string& spec_text,
                                             const job::JobSignature& signature) {
  board.post([&] {
    submitted.emplace_back(researcher, spec_text);
    signatures.push_back(signature);
  });
  return std::string("job-1");
}

std::vector<report::JobStatus> RecordingHandler::jobs(const pki::Identity& caller) {
  return board.read([&] {
    callers.push_back(caller_text(caller));
    return std::vector<report::JobStatus>{current.status};
  });
}

Result<service::CoordinationHandler::Versioned> RecordingHandler::watch(const pki::Identity& caller,
                                                                        const std::string& job_id, std::uint64_t seen,
                                                                        std::chrono::milliseconds timeout) {
  board.post([&] { callers.push_back(caller_text(caller)); });
  const auto due = std::chrono::steady_clock::now() + timeout;
  while (board.read([&] { return current.version <= seen; }) && std::chrono::steady_clock::now() < due) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return board.read([&]() -> Result<Versioned> {
    if (job_id != current.status.job_id) return fail(ErrorCode::kNotFound, "no job " + job_id);
    return Versioned{current.version, std::make_shared<const report::JobStatus>(current.status)};
  });
}

Result<std::string> RecordingHandler::job_spec(const pki::Identity& caller, const std::string& job_id) {
  board.post([&] { callers.push_back(caller_text(caller)); });
  return "the spec of " + job_id;
}

Result<void> RecordingHandler::stop(const pki::Identity& caller, const std::string& job_id) {
  board.post([&] { stopped.push_back(pki::to_uri(caller) + " " + job_id); });
  return {};
}

Result<void> RecordingHandler::remove(const pki::Identity& caller, const std::string& job_id) {
  board.post([&] { removed.push_back(pki::to_uri(caller) + " " + job_id); });
  return {};
}

std::vector<service::SiteStatus> RecordingHandler::sites() {
  return board.read([&] { return site_list; });
}

transport::LinkEvents RecordingEvents::events() {
  return {[this](std::string who) {
            board.post([&] {
              ++connected;
              coordinator = std::move(who);
            });
          },
          [this](wire::CoordinatorMessage message) { board.post([&] { received.push_back(std::move(message)); }); },
          [this](Error why) { board.post([&] { lost.push_back(std::move(why)); }); }};
}

Federation::Federation() {
  authority_ = pki::Authority::create(folder / "ca", "lung", std::chrono::days(10)).value();
  const Member self = enroll(pki::Role::kCoordinator, "hub");
  blobs.emplace(journal::BlobStore::open(folder / "blobs").value());
  config_ = {"127.0.0.1:0", self.root, self.certificate, self.key, self.revocation_list, "lung", spool()};
  service = service::CoordinationService::start(config_, handler, *blobs).value();
  port_ = service->port();
  config_.listen = "127.0.0.1:" + std::to_string(port_);
}

Federation::~Federation() { stop(); }

void Federation::stop() {
  if (service) service->shutdown(std::chrono::milliseconds(100));
  service.reset();
}

void Federation::restart() {
  stop();
  service = service::CoordinationService::start(config_, handler, *blobs).value();
}

Member Federation::enroll(pki::Role role, const std::string& name) {
  const Member member{authority_->root_certificate(), folder / (name + ".pem"), folder / (name + ".key"),
                      authority_->revocation_list()};
  if (std::filesystem::exists(member.certificate)) return member;
  const pki::Identity identity{"lung", role, name};
  const std::string request = pki::create_key_and_request(member.key, identity).value();
  const std::vector<std::string> hosts =
      role == pki::Role::kCoordinator ? std::vector<std::string>{"localhost"} : std::vector<std::string>{};
  pki::write_text(member.certificate, authority_->sign(request, identity, hosts, std::chrono::hours(1)).value());
  return member;
}

void Federation::revoke(pki::Role role, const std::string& name) { REQUIRE(authority_->revoke(role, name)); }

transport::LinkConfig Federation::link_config(const Member& member, const std::string& site, int port) {
  return {"127.0.0.1:" + std::to_string(port == 0 ? port_ : port),
          "localhost",
          "",
          member.root,
          member.certificate,
          member.key,
          member.revocation_list,
          site};
}

std::unique_ptr<transport::CoordinatorLink> Federation::link(const std::string& site, int port) {
  return transport::make_grpc_link(link_config(enroll(pki::Role::kSite, site), site, port)).value();
}

crypto::Digest Federation::blob(std::size_t bytes) {
  const auto words = words_of(bytes / sizeof(std::uint32_t) + 1);
  const crypto::Digest digest = blobs->put(std::as_bytes(std::span(words)).first(bytes)).value();
  handler.board.post([&] { handler.fetchable.insert(digest); });
  return digest;
}

}  // namespace consilium::testing
