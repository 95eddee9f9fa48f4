#include "client/policy/roster_check.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <vector>

#include "common/job/masked_job.h"
#include "common/roster/roster_file.h"

namespace consilium::policy {
namespace {

/// How many wrong entries a refusal lists.
constexpr std::size_t kMostNamed = 3;

/// What is wrong with one site of the job's roster; "" where nothing is.
std::string difference(const std::string& site, const crypto::Digest& key, const roster::Roster& own) {
  const auto known = own.sites.find(site);
  if (known == own.sites.end()) return fmt::format("site '{}' isn't in this site's roster file", site);
  if (known->second == key) return "";
  return fmt::format("site '{}' has the key {} in the job and {} in this site's roster file", site, crypto::to_hex(key),
                     crypto::to_hex(known->second));
}

std::string listed(const std::vector<std::string>& differences) {
  std::string text;
  for (std::size_t i = 0; i < std::min(kMostNamed, differences.size()); ++i)
    text.append(text.empty() ? "" : "; ").append(differences[i]);
  if (differences.size() > kMostNamed) text += fmt::format("; and {} more", differences.size() - kMostNamed);
  return text;
}

}  // namespace

Result<roster::Roster> read_own_roster(const std::filesystem::path& file, const std::string& consortium) {
  if (file.empty()) return roster::Roster{};
  auto roster = roster::read_roster(file);
  if (!roster) return fail(roster.error().within("client.yaml: roster"));
  if (roster->consortium != consortium) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("client.yaml: roster: {}: consortium: expected '{}', that of this site's certificate, found '{}'",
                    file.filename().string(), consortium, roster->consortium));
  }
  return roster;
}

Result<void> check_roster(const job::JobSpec& job, const roster::Roster& own, const std::string& site,
                          const crypto::Digest& own_key) {
  if (!job::is_masked(job)) return {};
  CONSILIUM_TRY(job::check_masked(job));
  if (own.sites.empty()) {
    return fail(
        ErrorCode::kFailedPrecondition,
        "client.yaml: roster: names no file with the consortium's sites, so this site takes part in no job with "
        "secure aggregation; get the roster from whoever runs the authority and compare its keys by telephone");
  }
  std::vector<std::string> differences;
  const auto self = job.federation.roster.find(site);
  if (self == job.federation.roster.end()) {
    differences.push_back(fmt::format("the job doesn't list this site ('{}')", site));
  } else if (self->second != own_key) {
    differences.push_back(fmt::format("the job gives this site the key {}, but its own is {}",
                                      crypto::to_hex(self->second), crypto::to_hex(own_key)));
  }
  for (const auto& [name, key] : job.federation.roster) {
    if (std::string what = difference(name, key, own); !what.empty()) differences.push_back(std::move(what));
  }
  if (differences.empty()) return {};
  return fail(ErrorCode::kPermissionDenied,
              fmt::format("federation.roster of job '{}' isn't this site's: {}", job.name, listed(differences)));
}

}  // namespace consilium::policy
