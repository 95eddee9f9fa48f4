#include "client/policy/accepted_roster.h"

#include <spdlog/fmt/fmt.h>

#include <system_error>

#include "common/files/files.h"
#include "common/roster/roster_file.h"

namespace consilium::policy {
namespace {

constexpr std::string_view kWhere = "client.yaml: roster";

std::filesystem::path accepted_in(const std::filesystem::path& state_dir) { return state_dir / "roster.accepted"; }

}  // namespace

Result<std::optional<roster::Roster>> read_accepted_roster(const std::filesystem::path& state_dir) {
  std::error_code problem;
  const std::filesystem::path file = accepted_in(state_dir);
  if (std::filesystem::symlink_status(file, problem).type() == std::filesystem::file_type::not_found)
    return std::optional<roster::Roster>{};
  CONSILIUM_ASSIGN(roster::Roster known, roster::read_roster(file));
  return std::optional<roster::Roster>{std::move(known)};
}

Result<void> check_next_roster(const std::filesystem::path& state_dir, const roster::Roster& next,
                               const roster::LedgerGroups& ledger, const std::string& site,
                               roster::Departures departures) {
  CONSILIUM_ASSIGN(const std::optional<roster::Roster> known, read_accepted_roster(state_dir));
  if (next == roster::Roster{}) {
    if (!known || known->populations.empty()) return {};
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("{}: names no file, but this site has accepted roster {}; name that roster's file, or a "
                            "later one",
                            kWhere, known->serial));
  }
  const auto checked = roster::check_change(
      {.known = known ? &*known : nullptr, .next = next, .ledger = ledger, .site = site}, departures);
  if (!checked) return fail(checked.error().within(kWhere));
  return {};
}

Result<void> accept_roster(const std::filesystem::path& state_dir, const roster::Roster& next,
                           const roster::LedgerGroups& ledger, const std::string& site, roster::Departures departures) {
  CONSILIUM_TRY(check_next_roster(state_dir, next, ledger, site, departures));
  if (next == roster::Roster{}) return {};
  CONSILIUM_ASSIGN(const std::optional<roster::Roster> known, read_accepted_roster(state_dir));
  if (known == next) return {};
  return files::replace_file(accepted_in(state_dir), roster::roster_text(next));
}

}  // namespace consilium::policy
