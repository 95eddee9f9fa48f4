#include "common/logging/event.h"

#include <spdlog/spdlog.h>

#include <array>

namespace consilium::logging {
namespace {

// In the enumeration's order.
constexpr std::array kEvents{
    EventEntry{Event::kProgramStarted, "program.started", Level::kInfo},
    EventEntry{Event::kProgramListening, "program.listening", Level::kInfo},
    EventEntry{Event::kProgramStopping, "program.stopping", Level::kInfo},
    EventEntry{Event::kProgramFailed, "program.failed", Level::kError},
    EventEntry{Event::kConfigReloaded, "config.reloaded", Level::kInfo},
    EventEntry{Event::kConfigRefused, "config.refused", Level::kError},
    EventEntry{Event::kConfigNeedsRestart, "config.needs_restart", Level::kWarning},
    EventEntry{Event::kCertificateEnding, "certificate.ending", Level::kWarning},
    EventEntry{Event::kCertificateRejected, "certificate.rejected", Level::kError},
    EventEntry{Event::kCertificateUnusable, "certificate.unusable", Level::kError},
    EventEntry{Event::kListEnding, "list.ending", Level::kWarning},
    EventEntry{Event::kLimitLow, "limit.low", Level::kWarning},
    EventEntry{Event::kStateFailed, "state.failed", Level::kError},
    EventEntry{Event::kGrpcError, "grpc.error", Level::kWarning},
    EventEntry{Event::kGrpcDetail, "grpc.detail", Level::kDebug},
    EventEntry{Event::kTlsRefused, "tls.refused", Level::kWarning},
    EventEntry{Event::kPeerRefused, "peer.refused", Level::kWarning},
    EventEntry{Event::kCallRefused, "call.refused", Level::kInfo},
    EventEntry{Event::kConnectionsRefused, "connections.refused", Level::kWarning},
    EventEntry{Event::kConnectionsClosed, "connections.closed", Level::kWarning},
    EventEntry{Event::kModelsRemoved, "models.removed", Level::kInfo},
    EventEntry{Event::kSiteConnected, "site.connected", Level::kInfo},
    EventEntry{Event::kSiteLeft, "site.left", Level::kInfo},
    EventEntry{Event::kSiteFailed, "site.failed", Level::kWarning},
    EventEntry{Event::kSiteLeftOut, "site.left_out", Level::kWarning},
    EventEntry{Event::kSiteLimited, "site.limited", Level::kWarning},
    EventEntry{Event::kJobSubmitted, "job.submitted", Level::kInfo},
    EventEntry{Event::kJobUnmasked, "job.unmasked", Level::kWarning},
    EventEntry{Event::kJobStarted, "job.started", Level::kInfo},
    EventEntry{Event::kJobPaused, "job.paused", Level::kInfo},
    EventEntry{Event::kJobInterrupted, "job.interrupted", Level::kWarning},
    EventEntry{Event::kJobAccepted, "job.accepted", Level::kInfo},
    EventEntry{Event::kJobDeclined, "job.declined", Level::kInfo},
    EventEntry{Event::kJobAwaitsApproval, "job.awaits_approval", Level::kInfo},
    EventEntry{Event::kJobLeft, "job.left", Level::kWarning},
    EventEntry{Event::kJobEnded, "job.ended", Level::kInfo},
    EventEntry{Event::kJobRemoved, "job.removed", Level::kInfo},
    EventEntry{Event::kRoundCommitted, "round.committed", Level::kInfo},
    EventEntry{Event::kRoundSent, "round.sent", Level::kInfo},
    EventEntry{Event::kMaskingFailed, "masking.failed", Level::kWarning},
    EventEntry{Event::kCoordinatorConnected, "coordinator.connected", Level::kInfo},
    EventEntry{Event::kCoordinatorReconnecting, "coordinator.reconnecting", Level::kInfo},
    EventEntry{Event::kCoordinatorUnreachable, "coordinator.unreachable", Level::kWarning},
    EventEntry{Event::kCoordinatorLost, "coordinator.lost", Level::kWarning},
    EventEntry{Event::kCoordinatorRefused, "coordinator.refused", Level::kWarning},
    EventEntry{Event::kSessionRefused, "session.refused", Level::kWarning},
    EventEntry{Event::kSessionRetried, "session.retried", Level::kWarning},
    EventEntry{Event::kSessionFailed, "session.failed", Level::kWarning},
    EventEntry{Event::kSessionLeft, "session.left", Level::kWarning},
    EventEntry{Event::kSessionAbandoned, "session.abandoned", Level::kInfo},
    EventEntry{Event::kReceiptLost, "receipt.lost", Level::kInfo},
    EventEntry{Event::kResultUnusable, "result.unusable", Level::kError},
    EventEntry{Event::kMessageIgnored, "message.ignored", Level::kWarning},
    EventEntry{Event::kMessageUnsent, "message.unsent", Level::kDebug},
    EventEntry{Event::kOwnModelMissing, "own_model.missing", Level::kWarning},
    EventEntry{Event::kDataRefused, "data.refused", Level::kError},
    EventEntry{Event::kTrainerSaid, "trainer.said", Level::kInfo},
    EventEntry{Event::kTrainerFailed, "trainer.failed", Level::kError},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kEvents.size(); ++i) {
    if (static_cast<std::size_t>(kEvents[i].event) != i) return false;
  }
  return true;
}
static_assert(in_order() && static_cast<std::size_t>(Event::kTrainerFailed) + 1 == kEvents.size());

thread_local const Line* writing = nullptr;

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

std::span<const EventEntry> all_events() { return kEvents; }

const EventEntry& entry_of(Event event) { return kEvents.at(static_cast<std::size_t>(event)); }

void event(Event event, const Fields& fields, std::string_view text) {
  const EventEntry& entry = entry_of(event);
  const spdlog::level::level_enum level = spdlog_level(entry.level);
  spdlog::logger* const logger = spdlog::default_logger_raw();
  if (!logger->should_log(level)) return;
  const Line line{entry, fields};
  writing = &line;  // the formatter runs on this thread, because the log is synchronous
  logger->log(level, spdlog::string_view_t(text.data(), text.size()));
  writing = nullptr;
}

const Line* current_line() { return writing; }

}  // namespace consilium::logging
