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

/// Fewest hexadecimal digits of a digest that may stand for it.
inline constexpr std::size_t kShortestPrefix = 8;

/// Answers what people ask about jobs: in the daemon over its socket, or in the command itself where no daemon runs.
/// Requests and answers are JSON objects. Thread-safe where the functions are.
class Desk {
 public:
  struct Parts {
    Approvals& approvals;
    std::function<std::optional<std::uint64_t>()> maximum_sums;  ///< of the policy
    std::function<std::int64_t()> now;                           ///< seconds since 1970
    ReleaseList releases = nullptr;                              ///< without it, nobody can be told
    std::function<void()> decided = nullptr;                     ///< called after a decision is recorded
    /// What this site's ledger has for another member, in hexadecimal digits (masking::encode); nullptr where it is in
    /// other hands.
    std::function<Result<std::string>(const std::string& member)> ledger = nullptr;
    /// The site's roster, which says whose sums count together; nullptr, or one that gives nullptr: unknown.
    std::function<std::shared_ptr<const roster::Roster>()> roster = nullptr;
  };
  explicit Desk(Parts parts) : parts_(std::move(parts)) {}

  /// Answers {"command": "jobs" | "show" | "approve" | "decline" | "releases" | "ledger", "job": "...", "researcher":
  /// "..."}. The job is a digest, at least kShortestPrefix digits of one, or a job id; for "ledger" it is the name of a
  /// site. To approve a job, its whole digest and its researcher are needed: what is approved is what was shown. A
  /// failure is {"error": code, "message": text}.
  /// @param user  Unix user who asks; stands in the decision
  [[nodiscard]] std::string answer(std::string_view request, const std::string& user) const;

 private:
  class Answers;
  Parts parts_;
};

}  // namespace consilium::approval
