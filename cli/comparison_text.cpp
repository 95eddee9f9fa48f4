#include "cli/comparison_text.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "cli/live_view.h"

namespace consilium::cli {
namespace {

constexpr std::size_t kSitesShown = 12;

/// A bar of 20 columns for a value of 0 to 1, in eighths of a column.
std::string bar(double share) {
  static constexpr const char* kEighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::lround(std::clamp(std::isfinite(share) ? share : 0.0, 0.0, 1.0) * 160));
  std::string out;
  for (int i = 0; i < 20; ++i) {
    const int left = eighths - i * 8;
    out += left >= 8 ? "█" : kEighths[std::max(0, left)];
  }
  return out;
}

std::string line(const std::string& name, const report::Metrics& metrics, const std::string& note) {
  std::string text = fmt::format("{:<10} accuracy {:.3f} {}  AUC {:.3f}   {}", name, metrics.accuracy,
                                 bar(metrics.accuracy), metrics.auc, note);
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

}  // namespace

std::vector<std::string> comparison_lines(const report::Comparison& comparison) {
  std::vector<std::string> lines;
  if (!comparison.alone.empty()) {
    lines.push_back(line("alone", mean_over_sites(comparison.alone),
                         fmt::format("mean of {} sites, each by itself", comparison.alone.size())));
    std::vector<std::pair<std::string, report::Metrics>> sites(comparison.alone.begin(), comparison.alone.end());
    if (sites.size() > kSitesShown) {
      std::ranges::sort(sites, {}, [](const auto& site) { return site.second.accuracy; });
      lines.push_back(line("  worst", sites.front().second, printable(sites.front().first)));
      lines.push_back(line("  best", sites.back().second, printable(sites.back().first)));
    } else {
      for (const auto& [site, metrics] : sites) lines.push_back(line("  " + printable(site), metrics, ""));
    }
  }
  if (comparison.federated)
    lines.push_back(line("federated", *comparison.federated, "one model, no image left its site"));
  if (comparison.pooled) lines.push_back(line("pooled", *comparison.pooled, "everybody's images in one place"));
  return lines;
}

bool federated_is_better(const report::Comparison& comparison) {
  return comparison.federated && !comparison.alone.empty() &&
         comparison.federated->accuracy > mean_over_sites(comparison.alone).accuracy;
}

}  // namespace consilium::cli
