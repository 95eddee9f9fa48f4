#include "coordinator/service/admin_service.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "common/job/job_text.h"
#include "common/wire/conversions.h"
#include "common/wire/report_conversions.h"
#include "common/wire/status.h"
#include "consilium/v1/admin.grpc.pb.h"
#include "coordinator/admission/access.h"
#include "coordinator/service/peer_certificate.h"
#include "coordinator/service/service_parts.h"

namespace consilium::service {

namespace {

using admission::Access;

/// How long a watcher waits for a change before it looks whether its peer is still there.
constexpr auto kWatchSlice = std::chrono::milliseconds(250);

bool ended(report::JobPhase phase) {
  return phase == report::JobPhase::kFinished || phase == report::JobPhase::kStopped ||
         phase == report::JobPhase::kFailed;
}

std::string text_of(const pki::Identity& caller) {
  return fmt::format("{} {}", pki::name_of(caller.role), caller.name);
}

/// Sends a job's changes to one watcher. Its thread waits for them; a change is sent when the former is written,
/// what comes in between is left out.
class WatchStream final : public grpc::ServerWriteReactor<v1::JobUpdate> {
 public:
  WatchStream(ServiceParts& parts, grpc::CallbackServerContext& context, pki::Identity caller, std::string job_id,
              std::unique_ptr<Slots::Hold> slot)
      : parts_(parts),
        context_(context),
        caller_(std::move(caller)),
        job_id_(std::move(job_id)),
        certificate_(parts.trust, context, caller_.role),
        slot_(std::move(slot)) {
    wait_for_change();
  }
  ~WatchStream() override {
    const std::lock_guard lock(mutex_);
    if (thread_.joinable()) thread_.join();
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return Finish({grpc::StatusCode::CANCELLED, "the peer has left"});
    if (last_) return Finish(grpc::Status::OK);
    wait_for_change();
  }
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override { delete this; }

 private:
  /// The write that a new thread asks for may be done, and this called again, before the thread is stored here.
  void wait_for_change() {
    const std::lock_guard lock(mutex_);
    if (thread_.joinable()) thread_.join();  // it ended when it asked for the write
    thread_ = std::thread([this] { run(); });
  }

  void run() {
    while (!cancelled_ && !parts_.ending) {
      if (const auto good = certificate_.check(); !good)
        return Finish(refuse(context_, text_of(caller_), good.error().within("the watch ends")));
      const auto found = parts_.handler.watch(caller_, job_id_, seen_, kWatchSlice);
      if (!found) return Finish(refuse(context_, text_of(caller_), found.error()));
      if (seen_ != 0 && found->version <= seen_) continue;
      seen_ = found->version;
      last_ = ended(found->status.phase);
      update_ = writer_.next(found->status);
      return StartWrite(&update_);
    }
    Finish({grpc::StatusCode::UNAVAILABLE, "the watch has ended"});
  }

  ServiceParts& parts_;
  grpc::CallbackServerContext& context_;
  const pki::Identity caller_;
  const std::string job_id_;
  PeerCertificate certificate_;
  const std::unique_ptr<Slots::Hold> slot_;
  std::atomic<bool> cancelled_ = false;
  std::uint64_t seen_ = 0;
  bool last_ = false;
  wire::UpdateWriter writer_;
  v1::JobUpdate update_;
  std::mutex mutex_;  ///< guards thread_
  std::thread thread_;
};

class AdminService final : public v1::Admin::CallbackService {
 public:
  explicit AdminService(ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* Submit(grpc::CallbackServerContext* context, const v1::SubmitRequest* request,
                                   v1::SubmitReply* reply) override {
    return answer(context, Access::kSubmit, [this, request, reply](const pki::Identity& caller) -> Result<void> {
      if (request->spec().empty() || request->spec().size() > job::kMaxJobBytes) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("job of {} bytes: expected 1 to {}", request->spec().size(), job::kMaxJobBytes));
      }
      if (!request->has_signature()) {
        return fail(ErrorCode::kInvalidArgument,
                    "submit.signature: expected the researcher's signature, found nothing; submit the job with this "
                    "version's 'consilium submit'");
      }
      CONSILIUM_ASSIGN(const job::JobSignature signature, wire::from_proto(request->signature()));
      CONSILIUM_ASSIGN(const std::string job_id, parts_.handler.submit(caller.name, request->spec(), signature));
      spdlog::info("researcher {} submitted {}", caller.name, job_id);
      reply->set_job_id(job_id);
      return {};
    });
  }

  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context, const v1::ListJobsRequest*,
                                     v1::ListJobsReply* reply) override {
    return answer(context, Access::kList, [this, reply](const pki::Identity& caller) -> Result<void> {
      for (auto& status : parts_.handler.jobs(caller)) {
        if (status.history.size() > 1) status.history.erase(status.history.begin(), status.history.end() - 1);
        *reply->add_jobs() = wire::to_proto(status);
      }
      return {};
    });
  }

  grpc::ServerWriteReactor<v1::JobUpdate>* Watch(grpc::CallbackServerContext* context,
                                                 const v1::WatchRequest* request) override {
    using Refused = RefusedCall<grpc::ServerWriteReactor<v1::JobUpdate>>;
    const auto peer = authenticate(parts_, *context, admission::allowed_roles(Access::kRead));
    if (!peer) return new Refused(wire::to_status(peer.error()));
    const std::string who = text_of(*peer);
    if (const auto named = wire::check_name_field(request->job_id(), "watch.job_id"); !named) {
      return new Refused(refuse(*context, who, named.error()));
    }
    auto slot = parts_.watches.take(who);
    if (!slot) {
      const Error error{ErrorCode::kResourceExhausted, fmt::format("more than {} watches at a time", kWatchesPerPeer)};
      return new Refused(refuse(*context, who, error));
    }
    return new WatchStream(parts_, *context, *peer, request->job_id(), std::move(slot));
  }

  grpc::ServerUnaryReactor* GetSpec(grpc::CallbackServerContext* context, const v1::GetSpecRequest* request,
                                    v1::GetSpecReply* reply) override {
    return answer(context, Access::kRead, [this, request, reply](const pki::Identity& caller) -> Result<void> {
      CONSILIUM_TRY(wire::check_name_field(request->job_id(), "get_spec.job_id"));
      CONSILIUM_ASSIGN(*reply->mutable_spec(), parts_.handler.job_spec(caller, request->job_id()));
      return {};
    });
  }

  grpc::ServerUnaryReactor* Stop(grpc::CallbackServerContext* context, const v1::StopRequest* request,
                                 v1::StopReply*) override {
    return answer(context, Access::kStop, [this, request](const pki::Identity& caller) -> Result<void> {
      CONSILIUM_TRY(wire::check_name_field(request->job_id(), "stop.job_id"));
      return parts_.handler.stop(caller, request->job_id());
    });
  }

  grpc::ServerUnaryReactor* RemoveJob(grpc::CallbackServerContext* context, const v1::RemoveJobRequest* request,
                                      v1::RemoveJobReply*) override {
    return answer(context, Access::kRemove, [this, request](const pki::Identity& caller) -> Result<void> {
      CONSILIUM_TRY(wire::check_name_field(request->job_id(), "remove_job.job_id"));
      return parts_.handler.remove(caller, request->job_id());
    });
  }

  grpc::ServerUnaryReactor* ListSites(grpc::CallbackServerContext* context, const v1::ListSitesRequest*,
                                      v1::ListSitesReply* reply) override {
    return answer(context, Access::kList, [this, reply](const pki::Identity&) -> Result<void> {
      for (auto& site : parts_.handler.sites()) {
        site.certificate_end = parts_.site_certificates.end_of(site.name);
        *reply->add_sites() = wire::to_proto(site);
      }
      return {};
    });
  }

 private:
  /// Checks who calls, then answers on a worker.
  template <class Answer>
  grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext* context, Access access, Answer body) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const auto peer = authenticate(parts_, *context, admission::allowed_roles(access));
    if (!peer) {
      reactor->Finish(wire::to_status(peer.error()));
      return reactor;
    }
    parts_.workers.post([context, reactor, caller = *peer, body = std::move(body)] {
      const Result<void> outcome = body(caller);
      reactor->Finish(outcome ? grpc::Status::OK : refuse(*context, text_of(caller), outcome.error()));
    });
    return reactor;
  }

  ServiceParts& parts_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_admin_service(ServiceParts& parts) { return std::make_unique<AdminService>(parts); }

}  // namespace consilium::service
