#include "common/wire/tls_credentials.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/pki/authority.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using consilium::Error;
using consilium::ErrorCode;
using consilium::Result;
using namespace consilium::pki;
using namespace consilium::wire;
using namespace std::chrono_literals;

namespace {

const std::vector<Role> kClients = {Role::kSite, Role::kResearcher, Role::kOperator};

/// A consortium's folder: an authority, and keys with certificates as <name>.key and <name>.pem.
struct Consortium {
  TemporaryFolder folder;
  Authority authority = Authority::create(folder / "ca", "lung", std::chrono::days{10}).value();

  TlsFiles member(Role role, const std::string& name, std::chrono::seconds validity = 1h,
                  const std::string& host = "localhost") {
    const Identity identity{authority.consortium(), role, name};
    const auto request = create_key_and_request(folder / (name + ".key"), identity).value();
    const std::vector<std::string> hosts =
        role == Role::kCoordinator ? std::vector<std::string>{host} : std::vector<std::string>{};
    write_text(folder / (name + ".pem"), authority.sign(request, identity, hosts, validity).value());
    return {authority.root_certificate(), folder / (name + ".pem"), folder / (name + ".key"),
            authority.revocation_list()};
  }
};

/// Collects refusals. Thread-safe.
struct Refusals {
  std::mutex mutex;
  std::vector<std::string> messages;

  RefusedPeer recorder() {
    return [this](const Error& error) {
      const std::lock_guard lock(mutex);
      messages.push_back(error.message);
    };
  }
  bool mention(const std::string& part) {
    const std::lock_guard lock(mutex);
    for (const std::string& message : messages) {
      if (message.find(part) != std::string::npos) {
        return true;
      }
    }
    return false;
  }
};

/// A server that answers every call with OK and records the callers.
class Server final : public grpc::CallbackGenericService {
 public:
  explicit Server(const TlsFiles& files) : tls_(make_server_tls(files, kClients, refusals.recorder()).value()) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", tls_.credentials, &port_);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
    REQUIRE(server_);
  }
  ~Server() override { server_->Shutdown(std::chrono::system_clock::now()); }

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    class Answer final : public grpc::ServerGenericBidiReactor {
     public:
      void send() { StartWriteAndFinish(&message_, {}, grpc::Status::OK); }
      void OnDone() override { delete this; }

     private:
      grpc::Slice empty_;
      grpc::ByteBuffer message_{&empty_, 1};
    };
    ++calls;
    const auto identity = identity_of_peer(*context->auth_context(), *tls_.trust, kClients);
    const std::lock_guard lock(mutex_);
    caller_ = identity ? to_uri(*identity) : identity.error().message;
    auto* answer = new Answer;
    if (identity) {
      answer->send();
    } else {
      answer->Finish(grpc::Status(grpc::StatusCode::UNAUTHENTICATED, caller_));
    }
    return answer;
  }

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string caller() {
    const std::lock_guard lock(mutex_);
    return caller_;
  }

  Refusals refusals;
  std::atomic<int> calls = 0;

 private:
  ServerTls tls_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mutex_;
  std::string caller_;
};

std::shared_ptr<grpc::Channel> channel_to(int port, const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  static std::atomic<int> number = 0;
  grpc::ChannelArguments arguments;
  arguments.SetInt("consilium.test",
                   ++number);  // gives each channel a connection of its own, not shared with an earlier channel
  return grpc::CreateCustomChannel("localhost:" + std::to_string(port), credentials, arguments);
}

grpc::StatusCode call(grpc::Channel& channel) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 20s);
  context.set_wait_for_ready(false);
  std::mutex mutex;
  std::condition_variable done;
  std::optional<grpc::Status> status;
  const grpc::Slice empty;
  grpc::ByteBuffer request(&empty, 1);
  grpc::ByteBuffer response;
  grpc::GenericStub stub(std::shared_ptr<grpc::ChannelInterface>(&channel, [](grpc::ChannelInterface*) {}));
  stub.UnaryCall(&context, "/test/Anything", grpc::StubOptions(), &request, &response, [&](grpc::Status result) {
    const std::lock_guard lock(mutex);
    status = std::move(result);
    done.notify_one();
  });
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return status.has_value(); });
  UNSCOPED_INFO(status->error_message());
  return status->error_code();
}

bool came_through(grpc::StatusCode code) { return code == grpc::StatusCode::OK; }

grpc::StatusCode call_as(int port, const TlsFiles& files) {
  const auto credentials = make_channel_credentials(files, "", {});
  REQUIRE(credentials);
  return call(*channel_to(port, *credentials));
}

/// Returns a client's credentials without our own checks, as another program would create them.
std::shared_ptr<grpc::ChannelCredentials> unchecked_credentials(const TlsFiles& files) {
  namespace tls = grpc::experimental;
  tls::TlsChannelCredentialsOptions options;
  std::vector<tls::IdentityKeyCertPair> pairs;
  if (!files.certificate.empty()) {
    pairs.push_back({text_of(files.key), text_of(files.certificate)});
  }
  options.set_certificate_provider(std::make_shared<tls::StaticDataCertificateProvider>(text_of(files.root), pairs));
  options.watch_root_certs();
  if (!pairs.empty()) {
    options.watch_identity_key_cert_pairs();
  }
  return tls::TlsCredentials(options);
}

/// What `openssl s_client` prints, and its exit.
std::pair<int, std::string> s_client(int port, const std::string& arguments) {
  const std::string command =
      "printf 'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n' | timeout 20 openssl s_client -alpn h2 -connect 127.0.0.1:" +
      std::to_string(port) + " " + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  std::array<char, 4096> part{};
  while (const std::size_t length = fread(part.data(), 1, part.size(), pipe)) {
    output.append(part.data(), length);
  }
  return {pclose(pipe), output};
}

std::string openssl_files(const TlsFiles& files) {
  return "-CAfile " + files.root.string() + " -cert " + files.certificate.string() + " -key " + files.key.string();
}

const bool kBarred = (restrict_to_tls13(), true);

}  // namespace

TEST_CASE("a site, a researcher and an operator of the consortium are let in, and known by name") {
  REQUIRE(kBarred);
  Consortium lung;
  Server server(lung.member(Role::kCoordinator, "main"));
  CHECK(came_through(call_as(server.port(), lung.member(Role::kSite, "north"))));
  CHECK(server.caller() == "spiffe://lung/site/north");
  CHECK(came_through(call_as(server.port(), lung.member(Role::kResearcher, "ada"))));
  CHECK(server.caller() == "spiffe://lung/researcher/ada");
  CHECK(came_through(call_as(server.port(), lung.member(Role::kOperator, "olga"))));
  CHECK(server.caller() == "spiffe://lung/operator/olga");
}

TEST_CASE("TLS 1.3 is spoken, TLS 1.2 refused") {
  Consortium lung;
  Server server(lung.member(Role::kCoordinator, "main"));
  const std::string files = openssl_files(lung.member(Role::kSite, "north"));
  const auto [good, newest] = s_client(server.port(), "-tls1_3 " + files);
  CHECK(newest.find("New, TLSv1.3") != std::string::npos);
  CHECK(newest.find("Verify return code: 0 (ok)") != std::string::npos);
  const auto [bad, older] = s_client(server.port(), "-tls1_2 " + files);
  CAPTURE(older);
  CHECK(bad != 0);
  CHECK(older.find("Cipher is (NONE)") != std::string::npos);
  CHECK(server.calls == 0);
}

TEST_CASE("a client without a certificate or of a foreign root gets no call through") {
  Consortium lung;
  Consortium foreign;
  Server server(lung.member(Role::kCoordinator, "main"));
  REQUIRE(came_through(call(*channel_to(server.port(), unchecked_credentials(lung.member(Role::kSite, "south"))))));
  TlsFiles nobody;
  nobody.root = lung.authority.root_certificate();
  CHECK(call(*channel_to(server.port(), unchecked_credentials(nobody))) == grpc::StatusCode::UNAVAILABLE);

  TlsFiles stranger = foreign.member(Role::kSite, "north");
  stranger.root = lung.authority.root_certificate();
  CHECK(call(*channel_to(server.port(), unchecked_credentials(stranger))) == grpc::StatusCode::UNAVAILABLE);
  CHECK(
      server.refusals.mention("spiffe://lung/site/north: the certificate is refused: it was signed by another "
                              "authority than that of root.pem"));
  CHECK(server.calls == 1);
}

TEST_CASE("a certificate that has ended or has the wrong role gets no call through, and the log says why") {
  Consortium lung;
  Server server(lung.member(Role::kCoordinator, "main"));
  const TlsFiles late = lung.member(Role::kSite, "late", -1s);
  CHECK(call(*channel_to(server.port(), unchecked_credentials(late))) == grpc::StatusCode::UNAVAILABLE);
  CHECK(server.refusals.mention("spiffe://lung/site/late: the certificate is refused: certificate has expired"));
  const TlsFiles second = lung.member(Role::kCoordinator, "second");
  CHECK(call(*channel_to(server.port(), unchecked_credentials(second))) == grpc::StatusCode::UNAVAILABLE);
  CHECK(server.refusals.mention("spiffe://lung/coordinator/second: a coordinator is not allowed to connect here"));
  CHECK(server.calls == 0);
}

TEST_CASE("a revocation counts without a restart, on new connections and on open ones") {
  Consortium lung;
  Server server(lung.member(Role::kCoordinator, "main"));
  const auto credentials = make_channel_credentials(lung.member(Role::kSite, "north"), "", {}).value();
  const auto open_channel = channel_to(server.port(), credentials);
  REQUIRE(came_through(call(*open_channel)));
  REQUIRE(lung.authority.revoke(Role::kSite, "north"));

  // On an open connection the next call is refused. A new connection doesn't even reach a call.
  CHECK(call(*open_channel) == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(server.calls == 2);
  CHECK(call(*channel_to(server.port(), credentials)) == grpc::StatusCode::UNAVAILABLE);
  CHECK(server.calls == 2);
  CHECK(server.refusals.mention("spiffe://lung/site/north: the certificate is refused: certificate revoked"));
}

TEST_CASE("a renewed certificate is taken up without a restart") {
  Consortium lung;
  const TlsFiles main = lung.member(Role::kCoordinator, "main");
  Server server(main);
  const Identity identity{"lung", Role::kCoordinator, "main"};
  const auto request = create_key_and_request(lung.folder / "renewed.key", identity).value();
  REQUIRE(lung.authority.revoke(Role::kCoordinator, "main"));
  write_text(main.certificate, lung.authority.sign(request, identity, {"localhost"}, 2h).value());
  std::filesystem::rename(lung.folder / "renewed.key", main.key);
  const TlsFiles north = lung.member(Role::kSite, "north");
  bool renewed = false;
  for (int attempt = 0; attempt < 200 && !renewed; ++attempt) {
    renewed = came_through(call_as(server.port(), north));
    std::this_thread::sleep_for(renewed ? 0ms : 100ms);
  }
  CHECK(renewed);
}

TEST_CASE("a client speaks to a coordinator of its consortium alone, under the name it expects") {
  Consortium lung;
  const TlsFiles north = lung.member(Role::kSite, "north");
  Refusals refusals;
  const auto reach = [&](Server& server, const std::string& name) {
    return call(*channel_to(server.port(), make_channel_credentials(north, name, refusals.recorder()).value()));
  };
  Server elsewhere(lung.member(Role::kCoordinator, "elsewhere", 1h, "fl.example.org"));
  CHECK(reach(elsewhere, "") == grpc::StatusCode::UNAVAILABLE);
  CHECK(refusals.mention("not for host 'localhost'"));
  CHECK(elsewhere.calls == 0);
  CHECK(came_through(reach(elsewhere, "fl.example.org")));
  CHECK(reach(elsewhere, "example.org") == grpc::StatusCode::UNAVAILABLE);
  CHECK(elsewhere.calls == 1);

  REQUIRE(lung.authority.revoke(Role::kCoordinator, "elsewhere"));
  CHECK(reach(elsewhere, "fl.example.org") == grpc::StatusCode::UNAVAILABLE);
  CHECK(refusals.mention("certificate revoked"));

  Consortium foreign;
  Server stranger(foreign.member(Role::kCoordinator, "main"));
  CHECK(reach(stranger, "") == grpc::StatusCode::UNAVAILABLE);
  CHECK(stranger.calls == 0);
}

TEST_CASE(
    "a list that has ended lets nobody in on either end, on open connections neither, until a new one lies there") {
  Consortium lung;
  const TlsFiles main = lung.member(Role::kCoordinator, "main");
  const TlsFiles north = lung.member(Role::kSite, "north");
  // Each end has its own copy of the list, as separate machines do.
  const auto copied = [&](TlsFiles files, const std::string& name) {
    files.revocation_list = lung.folder / name;
    write_text(files.revocation_list, text_of(lung.authority.revocation_list()));
    return files;
  };
  const TlsFiles server_files = copied(main, "server.crl");
  const TlsFiles client_files = copied(north, "client.crl");
  Refusals refusals;
  Server server(server_files);
  const auto credentials = make_channel_credentials(client_files, "", refusals.recorder()).value();
  const auto open_channel = channel_to(server.port(), credentials);
  REQUIRE(came_through(call(*open_channel)));

  REQUIRE(lung.authority.renew_list(std::chrono::days{0}));
  const std::string ended = text_of(lung.authority.revocation_list());
  REQUIRE(lung.authority.renew_list(std::chrono::days{5}));
  const std::string fresh = text_of(lung.authority.revocation_list());

  write_text(server_files.revocation_list, ended);
  CHECK_FALSE(came_through(call(*open_channel)));
  CHECK(server.caller().find("server.crl: the revocation list ended 20") != std::string::npos);
  CHECK(call(*channel_to(server.port(), credentials)) == grpc::StatusCode::UNAVAILABLE);
  CHECK(server.refusals.mention("server.crl: the revocation list ended 20"));
  write_text(server_files.revocation_list, fresh);
  CHECK(came_through(call(*channel_to(server.port(), credentials))));

  write_text(client_files.revocation_list, ended);
  CHECK(call(*channel_to(server.port(), credentials)) == grpc::StatusCode::UNAVAILABLE);
  CHECK(refusals.mention("client.crl: the revocation list ended 20"));
  CHECK(make_channel_credentials(client_files, "", {}).error().message.find("client.crl") != std::string::npos);
  write_text(client_files.revocation_list, fresh);
  CHECK(came_through(call(*channel_to(server.port(), credentials))));
}

TEST_CASE("credentials made after a restart refuse an older list than the last one seen") {
  Consortium lung;
  TlsFiles main = lung.member(Role::kCoordinator, "main");
  TlsFiles north = lung.member(Role::kSite, "north");
  const std::string first = text_of(lung.authority.revocation_list());
  for (TlsFiles* files : {&main, &north}) {
    files->revocation_list = lung.folder / "copy.crl";
    files->list_memory = lung.folder / ("state-" + files->certificate.stem().string());
  }
  REQUIRE(lung.authority.revoke(Role::kSite, "north"));
  TlsFiles south = lung.member(Role::kSite, "south");
  south.revocation_list = main.revocation_list;
  south.list_memory = north.list_memory;
  write_text(main.revocation_list, text_of(lung.authority.revocation_list()));
  REQUIRE(make_server_tls(main, kClients, {}));
  REQUIRE(make_channel_credentials(south, "", {}));
  write_text(main.revocation_list, first);
  for (const Error& refused :
       {make_server_tls(main, kClients, {}).error(), make_channel_credentials(south, "", {}).error()}) {
    CHECK(refused.message.find("copy.crl: this is revocation list 1, older than list 2") != std::string::npos);
  }
}

TEST_CASE("credentials are refused at once where the files do not fit") {
  Consortium lung;
  Consortium foreign;
  const TlsFiles main = lung.member(Role::kCoordinator, "main");
  const TlsFiles north = lung.member(Role::kSite, "north");
  CHECK(make_server_tls(north, kClients, {}).error().code == ErrorCode::kPermissionDenied);
  CHECK(make_channel_credentials(main, "", {}).error().code == ErrorCode::kPermissionDenied);
  TlsFiles wrong = north;
  wrong.key = main.key;
  CHECK(make_channel_credentials(wrong, "", {}).error().message.find("is not the key of") != std::string::npos);
  wrong = north;
  wrong.root = foreign.authority.root_certificate();
  CHECK_FALSE(make_channel_credentials(wrong, "", {}));
  wrong = north;
  wrong.revocation_list = lung.folder / "absent.pem";
  CHECK(make_channel_credentials(wrong, "", {}).error().code == ErrorCode::kNotFound);
  CHECK(make_channel_credentials(lung.member(Role::kSite, "late", -1s), "", {}).error().message.find("late.pem") !=
        std::string::npos);
  std::filesystem::permissions(north.key, std::filesystem::perms::group_read, std::filesystem::perm_options::add);
  CHECK(make_channel_credentials(north, "", {}).error().code == ErrorCode::kPermissionDenied);
}
