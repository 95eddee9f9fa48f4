#pragma once

#include <atomic>

#include "client/masking/group_mode.h"
#include "client/masking/masked_sessions.h"
#include "client/session/session_machine.h"
#include "client/session/session_worker.h"
#include "client/transport/coordinator_link.h"

namespace consilium::session {

/// Owns a site's state: feeds events to the pure machine and carries out the resulting effects. Steps that take time go
/// to the worker, which reports back by events. One thread at a time, except for stream_opened().
class SiteRunner {
 public:
  /// All members must outlive the object.
  struct Parts {
    const SiteContext& context;
    masking::MaskedSessions& masked;
    masking::GroupMode& groups;
    transport::CoordinatorLink& link;
    SessionWorker& worker;
  };
  explicit SiteRunner(Parts parts) : parts_(parts) {}

  /// Records that a stream to the coordinator was opened. Call it before the stream's Connected is posted. Nothing is
  /// sent on the stream until that event is handled, because a stream has to begin with this site's hello. Thread-safe.
  void stream_opened() { ++streams_; }
  void handle(const SiteEvent& event);

  /// Returns true if the site takes part in a job or has been offered one.
  [[nodiscard]] bool has_jobs() const { return !state_.jobs.empty() || !state_.offers.empty(); }
  /// Returns true if the site is in a session, which a lost stream would end or set back.
  [[nodiscard]] bool busy() const {
    return state_.active.has_value() || !state_.waiting.empty() || !state_.confirming.empty();
  }

 private:
  void say(const wire::SiteMessage& message);
  void carry_out(const Send& send) { say(send.message); }
  void carry_out(const BeginMasking& begin);
  void carry_out(const Mask& mask);
  void carry_out(const EndMasking& end);
  void carry_out(const ForgetJob& job);
  void carry_out(const Agree& agree);
  void carry_out(const TakeCommit& take);
  void carry_out(const LeaveJob& leave);
  void carry_out(const Upload& upload);
  void carry_out(const Abandon& abandon);
  void carry_out(const Note& note);
  void carry_out(const Warm& warm) { parts_.worker.run(warm); }
  void carry_out(const Fetch& fetch) { parts_.worker.run(fetch); }
  void carry_out(const Work& work) { parts_.worker.run(work); }
  void carry_out(const CheckTotal& check) { parts_.worker.run(check); }

  Parts parts_;
  SiteState state_;
  std::atomic<unsigned> streams_ = 0;
  unsigned greeted_ = 0;  ///< number of streams whose Connected was handled
};

}  // namespace consilium::session
