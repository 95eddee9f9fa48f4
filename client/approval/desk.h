#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "client/approval/approvals.h"
#include "client/approval/release.h"
#include "common/roster/roster.h"

namespace consilium::approval {

/// Minimum number of hexadecimal digits in a digest prefix that can identify a job.
inline constexpr std::size_t kShortestPrefix = 8;

/// Answers people's questions about jobs. It runs in the daemon, which receives requests over its socket, or in the
/// command itself if no daemon is running. Requests and answers are JSON objects. Thread-safe if the functions in Parts
/// are.
class Desk {
 public:
  struct Parts {
    Approvals& approvals;
    std::function<std::optional<std::uint64_t>()> maximum_sums;  ///< from the policy
    std::function<std::int64_t()> now;                           ///< seconds since 1970
    ReleaseList releases = nullptr;                              ///< if nullptr, releases can't be listed
    std::function<void()> decided = nullptr;                     ///< called after a decision is recorded
    /// Returns what this site's ledger holds for another member, in hexadecimal digits (masking::encode). nullptr if
    /// another process holds the ledger.
    std::function<Result<std::string>(const std::string& member)> ledger = nullptr;
    /// Returns the site's roster, which determines whose sums count together. If this is nullptr or returns nullptr,
    /// the roster is unknown.
    std::function<std::shared_ptr<const roster::Roster>()> roster = nullptr;
  };
  explicit Desk(Parts parts) : parts_(std::move(parts)) {}

  /// Answers {"command": "jobs" | "show" | "approve" | "decline" | "releases" | "ledger", "job": "...", "researcher":
  /// "..."}. "job" is a digest, at least kShortestPrefix digits of one, or a job id; for "ledger" it is the name of a
  /// site. Approving a job requires its whole digest and its researcher, so that a person approves exactly the job that
  /// was shown. A failure is {"error": code, "message": text}.
  /// @param user  the Unix user who sent the request; recorded in the decision
  [[nodiscard]] std::string answer(std::string_view request, const std::string& user) const;

 private:
  class Answers;
  Parts parts_;
};

}  // namespace consilium::approval
