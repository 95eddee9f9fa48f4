#include "coordinator/service/coordination_service.h"

#include <grpcpp/impl/service_type.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <spdlog/fmt/fmt.h>
#include <sys/resource.h>

#include <thread>

#include "common/logging/event.h"
#include "common/pki/own_certificate.h"
#include "common/wire/bulk_transfer.h"
#include "common/wire/channel_options.h"
#include "common/wire/grpc_log.h"
#include "common/wire/limits.h"
#include "common/wire/tls_credentials.h"
#include "coordinator/service/admin_service.h"
#include "coordinator/service/blob_service.h"
#include "coordinator/service/listener.h"
#include "coordinator/service/service_parts.h"
#include "coordinator/service/site_streams.h"

namespace consilium::service {

namespace {

constexpr auto kRevocationsEvery = std::chrono::seconds(2);

/// Every connection needs a descriptor, so this takes as many as the system allows.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
    logging::event(logging::Event::kLimitLow, {}, "cannot raise the limit of open files");
}

class GrpcService final : public CoordinationService {
 public:
  GrpcService(CoordinationHandler& handler, journal::BlobStore& blobs, const ServiceConfig& config,
              const wire::ServerTls& tls)
      : parts_{handler, blobs, tls.trust, config.consortium, config.spool},
        federation_(streams_.make_service(parts_)),
        blobs_(make_blob_service(parts_)),
        admin_(make_admin_service(parts_)),
        own_(config.certificate, config.key) {}

  ~GrpcService() override { shutdown(std::chrono::milliseconds(0)); }

  Result<void> listen(const std::string& address, const std::shared_ptr<grpc::ServerCredentials>& credentials) {
    grpc::ServerBuilder builder;
    for (const auto& [name, value] : wire::shared_options()) builder.AddChannelArgument(name, value);
    for (const auto& [name, value] : wire::server_options()) builder.AddChannelArgument(name, value);
    builder.SetMaxReceiveMessageSize(static_cast<int>(wire::kMaxMessageBytes));
    for (const auto algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
      builder.SetCompressionAlgorithmSupportStatus(algorithm, false);  // prevents decompression bombs
    }
    CONSILIUM_ASSIGN(listener_, Listener::open(address));
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
    builder.RegisterService(federation_.get());
    builder.RegisterService(blobs_.get());
    builder.RegisterService(admin_.get());
    server_ = builder.BuildAndStart();
    if (!server_) return fail(ErrorCode::kInternal, fmt::format("gRPC cannot serve on {}", address));
    listener_.start([this](files::Descriptor connection) {
      grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
      parameters.fd = connection.release();
      acceptor_->HandleNewConnection(&parameters);
    });
    revocations_ = std::jthread([this](const std::stop_token& stop) {
      while (wire::sleep_for(kRevocationsEvery, stop)) {
        streams_.end_revoked();
        if (const auto warning = parts_.trust->warning_due()) logging::event(logging::Event::kListEnding, {}, *warning);
        if (const auto warning = own_.warning_due()) logging::event(logging::Event::kCertificateEnding, {}, *warning);
        for (const auto& [site, warning] : parts_.site_certificates.warnings_due(std::time(nullptr)))
          logging::event(logging::Event::kCertificateEnding, {.site = site}, warning);
      }
    });
    return {};
  }

  void send(const std::string& site, wire::CoordinatorMessage message) override { streams_.send(site, message); }

  [[nodiscard]] int port() const override { return listener_.port(); }

  void shutdown(std::chrono::milliseconds grace) override {
    if (!server_) return;
    parts_.ending = true;
    listener_ = {};
    revocations_ = {};
    streams_.end_all();
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    server_.reset();
  }

 private:
  ServiceParts parts_;
  SiteStreams streams_;
  std::unique_ptr<grpc::Service> federation_, blobs_, admin_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
  Listener listener_;  ///< destroyed before the server that it passes connections to
  pki::OwnCertificate own_;
  std::jthread revocations_;  ///< checks whether a site with an open stream has been revoked
};

}  // namespace

Result<std::unique_ptr<CoordinationService>> CoordinationService::start(const ServiceConfig& given,
                                                                        CoordinationHandler& handler,
                                                                        journal::BlobStore& blobs) {
  raise_descriptor_limit();
  wire::route_grpc_log(wire::GrpcLog::kWarning);
  const wire::TlsFiles files{given.root, given.certificate, given.key, given.revocation_list, given.list_memory};
  CONSILIUM_ASSIGN(const auto tls,
                   wire::make_server_tls(
                       files, {pki::Role::kSite, pki::Role::kResearcher, pki::Role::kOperator}, [](const Error& why) {
                         logging::event(logging::Event::kTlsRefused, {}, "refused a handshake: " + why.message);
                       }));
  ServiceConfig config = given;
  if (config.consortium.empty()) config.consortium = tls.self.consortium;
  if (tls.self.consortium != config.consortium) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("{}: certificate of consortium {}, expected {}", config.certificate.string(),
                            tls.self.consortium, config.consortium));
  }
  std::error_code failed;
  std::filesystem::create_directories(config.spool, failed);
  if (failed)
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("{}: cannot make this folder: {}", config.spool.string(), failed.message()));
  auto service = std::make_unique<GrpcService>(handler, blobs, config, tls);
  CONSILIUM_TRY(service->listen(config.listen, tls.credentials));
  return std::unique_ptr<CoordinationService>(std::move(service));
}

}  // namespace consilium::service
