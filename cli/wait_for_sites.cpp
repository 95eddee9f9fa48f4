#include "cli/wait_for_sites.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <map>
#include <mutex>
#include <utility>

#include "cli/live_view.h"

namespace consilium::cli {
namespace {

constexpr std::chrono::seconds kAskEvery{1};

std::vector<std::string> names_in(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    names.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

/// Returns the reason why a site isn't ready, or "" if it is.
std::string reason_of(const report::SiteStatus* site, const std::string& dataset) {
  if (site == nullptr || !site->connected) return "isn't connected";
  if (std::ranges::find(site->datasets, dataset) == site->datasets.end())
    return fmt::format("has no data set '{}'", printable(dataset));
  if (site->activity != "idle") return fmt::format("is busy ({})", printable(site->activity));
  return {};
}

}  // namespace

Result<WantedSites> read_wanted_sites(const std::string& text, const job::JobSpec& spec) {
  WantedSites wanted;
  wanted.dataset = spec.data.dataset;
  const auto& listed = spec.federation.sites;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), wanted.count);
  if (problem == std::errc() && end == text.data() + text.size()) {
    wanted.names = listed;
    if (wanted.count > 0 && (listed.empty() || wanted.count <= listed.size())) return wanted;
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--wait-for: expected 1 to {}, the number of the job's sites, found {}",
                            listed.empty() ? "any number" : std::to_string(listed.size()), text));
  }
  wanted.names = names_in(text);
  wanted.count = wanted.names.size();
  for (const std::string& name : wanted.names) {
    if (name.empty())
      return fail(ErrorCode::kInvalidArgument,
                  "--wait-for: expected names of sites with commas between them, or a number");
    if (listed.empty() || std::ranges::find(listed, name) != listed.end()) continue;
    return fail(ErrorCode::kInvalidArgument, fmt::format("--wait-for: '{}' isn't among the job's sites ({})",
                                                         printable(name), fmt::join(listed, ", ")));
  }
  return wanted;
}

std::string missing_sites(const WantedSites& wanted, const std::vector<report::SiteStatus>& sites) {
  std::map<std::string, const report::SiteStatus*> by_name;
  for (const std::string& name : wanted.names) by_name[name] = nullptr;
  for (const report::SiteStatus& site : sites) {
    if (wanted.names.empty() || by_name.contains(site.name)) by_name[site.name] = &site;
  }
  std::vector<std::string> missing;
  for (const auto& [name, site] : by_name) {
    const std::string reason = reason_of(site, wanted.dataset);
    if (!reason.empty()) missing.push_back(fmt::format("{} {}", printable(name), reason));
  }
  const std::size_t ready = by_name.size() - missing.size();
  if (ready >= wanted.count) return {};
  return fmt::format("{} of {} ready{}{}", ready, wanted.count, missing.empty() ? "" : "; ", fmt::join(missing, ", "));
}

Result<void> wait_for_sites(AdminClient& client, const WantedSites& wanted, std::optional<std::chrono::seconds> timeout,
                            const std::stop_token& stop) {
  const auto begin = std::chrono::steady_clock::now();
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::string told;
  for (;;) {
    const auto sites = client.sites();
    if (!sites) return fail(sites.error().code, "nothing was submitted: " + sites.error().message);
    const std::string missing = missing_sites(wanted, *sites);
    if (missing.empty()) return {};
    if (missing != std::exchange(told, missing)) fmt::print(stderr, "waiting for sites: {}\n", missing);
    if (timeout && std::chrono::steady_clock::now() - begin >= *timeout) {
      return fail(ErrorCode::kDeadlineExceeded,
                  fmt::format("nothing was submitted; after {} s: {}", timeout->count(), missing));
    }
    std::unique_lock lock(mutex);
    stopped.wait_for(lock, stop, kAskEvery, [] { return false; });
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted; nothing was submitted");
  }
}

}  // namespace consilium::cli
