#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/// The events in the daemons' logs. docs/hospital-it/logs.md describes them for the people who read the logs, and a
/// test compares the page with this list.
namespace consilium::logging {

enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError };

/// The kind of a line. Names, levels and fields of events are stable, so programs that read logs can rely on them.
enum class Event : std::uint8_t {
  kProgramStarted,
  kProgramListening,
  kProgramStopping,
  kProgramFailed,
  kConfigReloaded,
  kConfigRefused,
  kConfigNeedsRestart,
  kCertificateEnding,
  kCertificateRejected,
  kCertificateUnusable,
  kListEnding,
  kLimitLow,
  kStateFailed,
  kGrpcError,
  kGrpcDetail,
  kTlsRefused,
  kPeerRefused,
  kCallRefused,
  kConnectionsRefused,
  kConnectionsClosed,
  kModelsRemoved,
  kSiteConnected,
  kSiteLeft,
  kSiteFailed,
  kSiteLeftOut,
  kSiteLimited,
  kJobSubmitted,
  kJobUnmasked,
  kJobStarted,
  kJobPaused,
  kJobInterrupted,
  kJobAccepted,
  kJobDeclined,
  kJobAwaitsApproval,
  kJobLeft,
  kJobEnded,
  kJobRemoved,
  kRoundCommitted,
  kRoundSent,
  kMaskingFailed,
  kCoordinatorConnected,
  kCoordinatorReconnecting,
  kCoordinatorUnreachable,
  kCoordinatorLost,
  kCoordinatorRefused,
  kSessionRefused,
  kSessionRetried,
  kSessionFailed,
  kSessionLeft,
  kSessionAbandoned,
  kReceiptLost,
  kResultUnusable,
  kMessageIgnored,
  kMessageUnsent,
  kOwnModelMissing,
  kDataRefused,
  kTrainerSaid,
  kTrainerFailed,
};

/// An event's name and level in the log.
struct EventEntry {
  Event event;
  std::string_view name;
  Level level;
};
[[nodiscard]] std::span<const EventEntry> all_events();
[[nodiscard]] const EventEntry& entry_of(Event event);

/// What a line is about. A JSON line has a field for each of these that is set. A text line has them only in its
/// message.
struct Fields {
  using Value = std::variant<std::uint64_t, double, std::string, std::vector<std::string>>;

  std::string job{};   ///< the job's id
  std::string site{};  ///< empty in a client's log, which then shows the client's own site
  std::string researcher{};
  std::optional<std::uint32_t> round{};
  std::vector<std::pair<std::string, Value>> more{};
};

/// Writes a line to the process's log (see logging.h), unless the event's level is below the log's. Thread-safe.
void event(Event event, const Fields& fields, std::string_view text);

/// The event that a thread is writing.
struct Line {
  const EventEntry& entry;
  const Fields& fields;
};
/// Returns the event that the calling thread is writing, or null if the line isn't an event but comes from a library.
/// Only the log's formatters use it.
[[nodiscard]] const Line* current_line();

}  // namespace consilium::logging
