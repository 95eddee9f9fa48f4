#include "simulation/drop_plan.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "common/random/random_stream.h"

namespace consilium::simulation {
namespace {

constexpr std::pair<std::string_view, secagg::Phase> kSteps[] = {{"advertise", secagg::Phase::kAdvertising},
                                                                 {"share", secagg::Phase::kSharing},
                                                                 {"upload", secagg::Phase::kUploading},
                                                                 {"confirm", secagg::Phase::kConfirming},
                                                                 {"unmask", secagg::Phase::kUnmasking}};

Result<std::pair<secagg::Phase, std::uint32_t>> parse_drop(std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto step =
      std::ranges::find(kSteps, text.substr(0, colon), &std::pair<std::string_view, secagg::Phase>::first);
  std::uint32_t count = 0;
  const std::string_view number = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), count);
  if (step == std::end(kSteps) || problem != std::errc() || end != number.data() + number.size() || count == 0) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--drop-at: expected STEP:COUNT with a step of advertise, share, upload, confirm, unmask, "
                            "e.g. upload:2, found '{}'",
                            text));
  }
  return std::pair(step->second, count);
}

}  // namespace

Result<DropPlan> parse_drop_plan(const std::string& text) {
  DropPlan plan;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    CONSILIUM_ASSIGN(const auto drop, parse_drop(rest.substr(0, comma)));
    plan[drop.first] += drop.second;
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return plan;
}

Result<void> check_drop_plan(const DropPlan& plan, const job::JobSpec& job) {
  if (!job::sums_whole_groups(job)) return {};
  for (const auto& [step, name] :
       {std::pair(secagg::Phase::kSharing, "share"), std::pair(secagg::Phase::kConfirming, "confirm"),
        std::pair(secagg::Phase::kUnmasking, "unmask")}) {
    if (!plan.contains(step)) continue;
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--drop-at: expected the steps advertise and upload, which a job in mode masked has, found "
                            "{}; that step belongs to mode masked-threshold",
                            name));
  }
  return {};
}

std::map<std::string, secagg::Phase> draw_dropouts(const DropPlan& plan, std::uint64_t seed, std::uint32_t round,
                                                   const std::vector<std::string>& cohort) {
  std::vector<std::pair<std::uint64_t, std::string>> ranked;
  for (const std::string& site : cohort)
    ranked.emplace_back(RandomStream(seed, RandomPurpose::kDropouts, round, site).next_u64(), site);
  std::ranges::sort(ranked);
  std::map<std::string, secagg::Phase> silent;
  std::size_t next = 0;
  for (const auto& [step, count] : plan) {
    for (std::uint32_t i = 0; i < count && next < ranked.size(); ++i) silent[ranked[next++].second] = step;
  }
  return silent;
}

}  // namespace consilium::simulation
