#include "coordinator/service/admin_service.h"

#include <spdlog/fmt/fmt.h>

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

/// How long a watcher waits for a change before it checks whether its peer is still connected.
constexpr auto kWatchSlice = std::chrono::milliseconds(250);

bool ended(report::JobPhase phase) {
  return phase == report::JobPhase::kFinished || phase == report::JobPhase::kStopped ||
         phase == report::JobPhase::kFailed;
}

std::string text_of(const pki::Identity& caller) {
  return fmt::format("{} {}", pki::name_of(caller.role), caller.name);
}

/// Sends a job's changes to one watcher. Its thread waits for them. A change is sent once the previous one has been
/// written; intermediate changes are omitted.
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
    if (!ok) return Finish({grpc::StatusCode::CANCELLED, "the peer closed the call"});
    if (writer_.next(update_)) return StartWrite(&update_);
    if (last_) return Finish(grpc::Status::OK);
    wait_for_change();
  }
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override { delete this; }

 private:
  /// The write that a new thread requests may finish, and call this function again, before the thread has been stored
  /// here.
  void wait_for_change() {
    const std::lock_guard lock(mutex_);
    if (thread_.joinable()) thread_.join();  // it ended when it requested the write
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
      last_ = ended(found->status->phase);
      writer_.begin(found->status);
      writer_.next(update_);
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

/// Sends a list, entry by entry. Another thread starts or refuses it, by begin() or Finish().
template <class Message>
class ListStream final : public grpc::ServerWriteReactor<Message> {
 public:
  /// @param next  writes the next message, or returns false if there is none
  void begin(std::function<bool(Message&)> next) {
    next_ = std::move(next);
    write();
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return this->Finish({grpc::StatusCode::CANCELLED, "the peer closed the call"});
    write();
  }
  void OnDone() override { delete this; }

 private:
  void write() {
    if (next_(message_)) return this->StartWrite(&message_);
    this->Finish(grpc::Status::OK);
  }

  std::function<bool(Message&)> next_;
  Message message_;
};

class AdminService final : public v1::Admin::CallbackService {
 public:
  explicit AdminService(ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* Submit(grpc::CallbackServerContext* context, const v1::SubmitRequest* request,
                                   v1::SubmitReply* reply) override {
    return answer(context, Access::kSubmit, [this, request, reply](const pki::Identity& caller) -> Result<void> {
      if (request->spec().empty() || request->spec().size() > job::kMaxJobBytes) {
        return fail(ErrorCode::kInvalidArgument, fmt::format("found a job of {} bytes, expected 1 to {}",
                                                             request->spec().size(), job::kMaxJobBytes));
      }
      if (!request->has_signature()) {
        return fail(ErrorCode::kInvalidArgument,
                    "submit.signature: expected the researcher's signature, found nothing; submit the job with this "
                    "version's 'consilium submit'");
      }
      CONSILIUM_ASSIGN(const job::JobSignature signature, wire::from_proto(request->signature()));
      CONSILIUM_ASSIGN(const std::string job_id, parts_.handler.submit(caller.name, request->spec(), signature));
      reply->set_job_id(job_id);
      return {};
    });
  }

  grpc::ServerWriteReactor<v1::JobUpdate>* ListJobs(grpc::CallbackServerContext* context,
                                                    const v1::ListJobsRequest*) override {
    return list<v1::JobUpdate>(context, [this](const pki::Identity& caller) {
      return [jobs = parts_.handler.jobs(caller), place = std::size_t{0},
              writer = wire::UpdateWriter()](v1::JobUpdate& message) mutable {
        if (writer.next(message)) return true;
        if (place == jobs.size()) return false;
        report::JobStatus& status = jobs[place++];
        if (!status.history.empty()) status.history = {status.history.back()};
        writer = {};
        writer.begin(std::make_shared<const report::JobStatus>(std::move(status)));
        return writer.next(message);
      };
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
      const Error error{ErrorCode::kResourceExhausted,
                        fmt::format("expected at most {} watches at a time", kWatchesPerPeer)};
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

  grpc::ServerWriteReactor<v1::Site>* ListSites(grpc::CallbackServerContext* context,
                                                const v1::ListSitesRequest*) override {
    return list<v1::Site>(context, [this](const pki::Identity&) {
      return [this, sites = parts_.handler.sites(), place = std::size_t{0}](v1::Site& message) mutable {
        if (place == sites.size()) return false;
        SiteStatus& site = sites[place++];
        site.certificate_end = parts_.site_certificates.end_of(site.name);
        message = wire::to_proto(site);
        return true;
      };
    });
  }

 private:
  /// Checks the caller, then lets a worker begin a list. @param entries  returns the function that writes it, message
  /// by message
  template <class Message, class Entries>
  grpc::ServerWriteReactor<Message>* list(grpc::CallbackServerContext* context, Entries entries) {
    const auto peer = authenticate(parts_, *context, admission::allowed_roles(Access::kList));
    if (!peer) return new RefusedCall<grpc::ServerWriteReactor<Message>>(wire::to_status(peer.error()));
    auto* stream = new ListStream<Message>();
    parts_.workers.post([stream, caller = *peer, entries = std::move(entries)] { stream->begin(entries(caller)); });
    return stream;
  }

  /// Checks the caller, then answers on a worker.
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
