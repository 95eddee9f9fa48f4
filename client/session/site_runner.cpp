#include "client/session/site_runner.h"

#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "common/logging/event.h"

namespace consilium::session {

void SiteRunner::handle(const SiteEvent& event) {
  if (std::holds_alternative<Connected>(event)) ++greeted_;
  auto [state, effects] = advance(std::move(state_), event, parts_.context);
  state_ = std::move(state);
  for (const SiteEffect& effect : effects) {
    std::visit([this](const auto& one) { carry_out(one); }, effect);
  }
}

void SiteRunner::say(const wire::SiteMessage& message) {
  // An answer to a message of an earlier stream is too late: the new stream has to begin with this site's hello.
  if (greeted_ != streams_) return;
  // The link notices a lost stream, and the coordinator repeats its offers after a reconnection.
  if (const auto sent = parts_.link.send(message); !sent)
    logging::event(logging::Event::kMessageUnsent, {}, "not sent: " + sent.error().message);
}

// Masks.

void SiteRunner::carry_out(const BeginMasking& begin) {
  const auto& [key, order] = std::tie(begin.session.key, begin.session.order);
  auto advert = begin.session.whole_group ? parts_.groups.sessions().begin(key, order, begin.job.spec)
                                          : parts_.masked.begin(key, order, begin.job.spec);
  if (!advert) return handle(MaskingRefused{key, advert.error()});
  say(wire::Masking{key, *std::move(advert)});
}

void SiteRunner::carry_out(const Mask& mask) {
  const wire::Masking& step = mask.message;
  if (parts_.groups.sessions().holds(step.key)) {
    const auto taken = parts_.groups.sessions().receive(step.key, step.message);
    if (!taken) return handle(MaskingRefused{step.key, taken.error()});
    return handle(Keyed{step.key});
  }
  auto answer = parts_.masked.receive(step.key, step.message);
  if (!answer) return handle(MaskingRefused{step.key, answer.error()});
  if (!answer->bytes.empty()) say(wire::Masking{step.key, std::move(answer->bytes)});
  if (answer->keyed) handle(Keyed{step.key});
  if (answer->confirmed) handle(Confirmed{step.key});
  if (answer->revealed) handle(Revealed{step.key});
}

void SiteRunner::carry_out(const EndMasking& end) {
  parts_.masked.end(end.key);
  parts_.groups.sessions().end(end.key);
}

void SiteRunner::carry_out(const Upload& upload) {
  const job::SessionKey& key = upload.session.key;
  if (upload.session.whole_group) {
    auto masks = parts_.groups.sessions().take_masks(key);
    if (!masks) return handle(StepFailed{key, masks.error()});
    return parts_.worker.run(upload, *std::move(masks));
  }
  std::vector<secagg::MaskTerm> masks;
  if (upload.session.masked) {
    auto taken = parts_.masked.take_masks(key);
    if (!taken) return handle(StepFailed{key, taken.error()});
    masks = *std::move(taken);
  }
  parts_.worker.run(upload, std::move(masks));
}

// Jobs in mode masked.

void SiteRunner::carry_out(const Agree& agree) {
  const wire::KeyAgreement& step = agree.message;
  const crypto::Digest& digest = agree.job.digest;
  masking::Agreements& agreements = parts_.groups.agreements();
  auto answer = step.message.empty() ? agreements.begin(agree.job.spec, digest, step.attempt)
                                     : agreements.receive(digest, step.attempt, step.message);
  if (!answer) {
    logging::event(logging::Event::kMaskingFailed, {.job = step.job_id},
                   "job " + step.job_id + ": left the agreement on a key: " + answer.error().message);
  } else if (!answer->empty()) {
    say(wire::KeyAgreement{step.job_id, step.attempt, *std::move(answer)});
  }
}

void SiteRunner::carry_out(const TakeCommit& take) {
  const auto& [key, commit] = take.commit;
  const auto taken = parts_.groups.accept_commit(take.job.spec, take.job.digest, key, commit);
  if (!taken) handle(TotalRefused{key, take.job.digest, taken.error()});
}

void SiteRunner::carry_out(const LeaveJob& leave) {
  if (const auto noted = parts_.groups.ledger().end_job(leave.job, leave.reason); !noted)
    logging::event(logging::Event::kStateFailed, {}, noted.error().message);
}

void SiteRunner::carry_out(const ForgetJob& job) {
  parts_.worker.run(job);
  if (!job.masked) return;
  parts_.masked.end_job(job.job_id);
  parts_.groups.end_job(job.job_id, job.job);
}

void SiteRunner::carry_out(const Abandon& abandon) {
  logging::event(logging::Event::kSessionAbandoned, {.job = abandon.key.job_id, .round = abandon.key.round},
                 job::to_string(abandon.key) + ": abandoned: " + abandon.reason);
  parts_.worker.abandon(abandon.key);
}

void SiteRunner::carry_out(const Note& note) {
  logging::event(note.event, {.job = note.job, .round = note.round}, note.text);
}

}  // namespace consilium::session
