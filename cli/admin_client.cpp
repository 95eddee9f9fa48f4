#include "cli/admin_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/security/credentials.h>
#include <spdlog/fmt/fmt.h>

#include <mutex>

#include "common/files/files.h"
#include "common/job/job_signature.h"
#include "common/job/job_text.h"
#include "common/pki/signer.h"
#include "common/pki/trust.h"
#include "common/wire/bulk_transfer.h"
#include "common/wire/channel.h"
#include "common/wire/conversions.h"
#include "common/wire/report_conversions.h"
#include "common/wire/status.h"
#include "common/wire/tls_credentials.h"
#include "consilium/v1/admin.grpc.pb.h"

namespace consilium::cli {

namespace {

constexpr auto kDeadline = std::chrono::seconds(30);
constexpr int kTransferAttempts = 6;
/// Largest certificate file, in bytes.
constexpr std::size_t kMaxPemBytes = 1 << 20;

/// Records why the coordinator's certificate was last refused, because gRPC's own status doesn't say. Thread-safe.
class Refusal {
 public:
  void set(const Error& why) {
    const std::lock_guard lock(mutex_);
    why_ = why;
  }
  [[nodiscard]] std::optional<Error> get() const {
    const std::lock_guard lock(mutex_);
    return why_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<Error> why_;
};

}  // namespace

class AdminClient::Impl {
 public:
  Impl(AdminConfig config, std::shared_ptr<grpc::Channel> where, std::shared_ptr<const Refusal> refusal)
      : channel(std::move(where)),
        stub(v1::Admin::NewStub(channel)),
        config_(std::move(config)),
        refusal_(std::move(refusal)) {}

  /// Sends a request to the coordinator, in order to learn its identity from the connection.
  Result<pki::Identity> coordinator() {
    CONSILIUM_ASSIGN(const auto trust, pki::TrustStore::open(config_.root, config_.revocation_list));
    grpc::ClientContext context;
    CONSILIUM_TRY(list<v1::Site>(context, &v1::Admin::Stub::ListSites, v1::ListSitesRequest(),
                                 [](const v1::Site&) { return Result<void>(); }));
    return wire::identity_of_peer(*context.auth_context(), *trust, {pki::Role::kCoordinator});
  }

  /// Signs a job for the coordinator at the other end of the channel.
  Result<job::JobSignature> sign(const job::JobSpec& spec, std::chrono::seconds valid_for) {
    CONSILIUM_ASSIGN(const std::string certificate, files::read_file(config_.certificate, kMaxPemBytes));
    CONSILIUM_ASSIGN(const auto signer, pki::make_file_signer(config_.key));
    CONSILIUM_ASSIGN(const pki::Identity coordinator, this->coordinator());
    const auto until = std::chrono::system_clock::now() + valid_for;
    return job::sign_job(*signer, certificate, pki::to_uri(coordinator), job::job_digest(spec),
                         std::chrono::duration_cast<std::chrono::seconds>(until.time_since_epoch()).count());
  }

  /// Makes a call with a single answer.
  template <class Request, class Reply>
  Result<Reply> ask(grpc::Status (v1::Admin::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                    const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    Reply reply;
    const grpc::Status status = (stub.get()->*method)(&context, request, &reply);
    if (!status.ok()) return fail(explain(wire::error_from(status)));
    return reply;
  }

  /// Makes a call that is answered by a list. Passes its messages to `next` until the list ends or `next` fails.
  template <class Message, class Request>
  Result<void> list(grpc::ClientContext& context,
                    std::unique_ptr<grpc::ClientReader<Message>> (v1::Admin::Stub::*method)(grpc::ClientContext*,
                                                                                            const Request&),
                    const Request& request, const std::function<Result<void>(const Message&)>& next) {
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    const auto stream = (stub.get()->*method)(&context, request);
    for (Message message; stream->Read(&message);) {
      if (const auto taken = next(message); !taken) {
        context.TryCancel();
        stream->Finish();
        return fail(taken.error().within("the coordinator sent a malformed answer"));
      }
    }
    const grpc::Status status = stream->Finish();
    if (!status.ok()) return fail(explain(wire::error_from(status)));
    return {};
  }

  /// Reads a job's updates until they end or `next` returns false.
  Result<void> watch(grpc::ClientContext& context, const std::string& job_id,
                     const std::function<bool(report::JobStatus)>& next) {
    v1::WatchRequest request;
    request.set_job_id(job_id);
    const auto stream = stub->Watch(&context, request);
    wire::UpdateReader reader;
    v1::JobUpdate update;
    while (stream->Read(&update)) {
      Result<void> outcome;
      auto status = reader.next(update);
      if (!status) {
        outcome = fail(status.error().within("the coordinator sent a malformed status"));
      } else if (!*status || next(**std::move(status))) {
        continue;
      }
      context.TryCancel();
      stream->Finish();
      return outcome;
    }
    const grpc::Status status = stream->Finish();
    if (!status.ok()) return fail(explain(wire::error_from(status)));
    return {};
  }

  /// Adds to an error where the problem is, if the coordinator itself couldn't report it.
  [[nodiscard]] Error explain(Error error) const {
    if (error.code != ErrorCode::kUnavailable) return error;
    if (const auto refusal = refusal_->get()) {
      return {
          ErrorCode::kUnauthenticated,
          fmt::format("the coordinator at {} isn't trusted, so nothing was sent to it: {}. If your own files are the "
                      "newest, ask the consortium's certificate authority which coordinator belongs to the consortium",
                      config_.coordinator, refusal->message)};
    }
    return error.within(fmt::format("cannot reach the coordinator at {}", config_.coordinator));
  }

  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<v1::Admin::Stub> stub;

 private:
  const AdminConfig config_;
  const std::shared_ptr<const Refusal> refusal_;
};

AdminClient::AdminClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminClient::AdminClient(AdminClient&&) noexcept = default;
AdminClient& AdminClient::operator=(AdminClient&&) noexcept = default;
AdminClient::~AdminClient() = default;

Result<AdminClient> AdminClient::create(const AdminConfig& config) {
  CONSILIUM_TRY(wire::check_proxy(config.proxy));
  const wire::TlsFiles files{config.root, config.certificate, config.key, config.revocation_list, config.list_memory};
  const auto refusal = std::make_shared<Refusal>();
  CONSILIUM_ASSIGN(
      const auto credentials,
      wire::make_channel_credentials(files, config.server_name, [refusal](const Error& why) { refusal->set(why); }));
  return AdminClient(std::make_unique<Impl>(
      config, wire::make_channel(config.coordinator, config.server_name, config.proxy, credentials), refusal));
}

Result<crypto::Digest> AdminClient::put_blob(const std::filesystem::path& file, std::stop_token stop) {
  crypto::Digest digest{};
  const auto put = wire::with_retries(kTransferAttempts, stop, [&]() -> Result<void> {
    CONSILIUM_ASSIGN(digest, wire::put_blob(impl_->channel, file, stop));
    return {};
  });
  if (!put) return fail(impl_->explain(put.error()));
  return digest;
}

Result<std::string> AdminClient::submit(const job::JobSpec& spec,
                                        const std::optional<std::filesystem::path>& initial_weights,
                                        std::chrono::seconds valid_for, std::stop_token stop) {
  CONSILIUM_ASSIGN(const job::JobSignature signature, impl_->sign(spec, valid_for));
  if (initial_weights) CONSILIUM_TRY(put_blob(*initial_weights, std::move(stop)));
  v1::SubmitRequest request;
  request.set_spec(job::canonical_text(spec));
  *request.mutable_signature() = wire::to_proto(signature);
  CONSILIUM_ASSIGN(const auto reply, impl_->ask(&v1::Admin::Stub::Submit, request));
  return reply.job_id();
}

Result<std::vector<report::JobStatus>> AdminClient::jobs() {
  grpc::ClientContext context;
  std::vector<report::JobStatus> jobs;
  wire::UpdateReader reader;
  const auto take = [&](const v1::JobUpdate& update) -> Result<void> {
    CONSILIUM_ASSIGN(auto status, reader.next(update));
    if (!status) return {};
    jobs.push_back(*std::move(status));
    reader = {};
    return {};
  };
  CONSILIUM_TRY(impl_->list<v1::JobUpdate>(context, &v1::Admin::Stub::ListJobs, v1::ListJobsRequest(), take));
  return jobs;
}

Result<void> AdminClient::watch(const std::string& job_id, const std::function<void(const report::JobStatus&)>& changed,
                                std::stop_token stop) {
  grpc::ClientContext context;
  const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
  auto watched = impl_->watch(context, job_id, [&](const report::JobStatus& status) {
    changed(status);
    return true;
  });
  if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped on request");
  return watched;
}

Result<report::JobStatus> AdminClient::status(const std::string& job_id) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  std::optional<report::JobStatus> first;
  const auto watched = impl_->watch(context, job_id, [&](report::JobStatus status) {
    first = std::move(status);
    return false;
  });
  if (!watched) return fail(watched.error());
  if (!first) return fail(ErrorCode::kInternal, "the coordinator ended a watch without a status");
  return *std::move(first);
}

Result<std::string> AdminClient::spec(const std::string& job_id) {
  v1::GetSpecRequest request;
  request.set_job_id(job_id);
  CONSILIUM_ASSIGN(const auto reply, impl_->ask(&v1::Admin::Stub::GetSpec, request));
  return reply.spec();
}

Result<void> AdminClient::stop(const std::string& job_id) {
  v1::StopRequest request;
  request.set_job_id(job_id);
  CONSILIUM_TRY(impl_->ask(&v1::Admin::Stub::Stop, request));
  return {};
}

Result<void> AdminClient::remove(const std::string& job_id) {
  v1::RemoveJobRequest request;
  request.set_job_id(job_id);
  CONSILIUM_TRY(impl_->ask(&v1::Admin::Stub::RemoveJob, request));
  return {};
}

Result<std::vector<report::SiteStatus>> AdminClient::sites() {
  grpc::ClientContext context;
  std::vector<report::SiteStatus> sites;
  const auto take = [&](const v1::Site& proto) -> Result<void> {
    CONSILIUM_ASSIGN(sites.emplace_back(), wire::from_proto(proto));
    return {};
  };
  CONSILIUM_TRY(impl_->list<v1::Site>(context, &v1::Admin::Stub::ListSites, v1::ListSitesRequest(), take));
  return sites;
}

Result<void> AdminClient::fetch_model(const crypto::Digest& digest, const std::filesystem::path& file,
                                      std::stop_token stop) {
  const auto fetched = wire::with_retries(
      kTransferAttempts, stop, [&] { return wire::fetch_blob(impl_->channel, digest, std::nullopt, file, stop); });
  if (!fetched) return fail(impl_->explain(fetched.error()));
  return {};
}

}  // namespace consilium::cli
