#include "common/roster/exposure.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <optional>

namespace consilium::roster {
namespace {

/// The number of groups that a description lists, and the number of groups that are searched for a difference.
constexpr std::size_t kMostListed = 8;
constexpr std::size_t kMostSearched = 256;

Group without(const Group& from, const Group& what) {
  Group rest;
  std::set_difference(from.begin(), from.end(), what.begin(), what.end(), std::back_inserter(rest));
  return rest;
}

bool contains(const Group& whole, const Group& part) {
  return std::includes(whole.begin(), whole.end(), part.begin(), part.end());
}

/// Returns disjoint groups, the largest first, whose union is `rest`; nullopt if a greedy search finds none.
std::optional<std::vector<Group>> parts_of(Group rest, std::span<const Group> groups) {
  std::vector<Group> parts;
  while (!rest.empty()) {
    const Group* largest = nullptr;
    for (const Group& group : groups) {
      if (contains(rest, group) && (largest == nullptr || group.size() > largest->size())) largest = &group;
    }
    if (largest == nullptr) return std::nullopt;
    parts.push_back(*largest);
    rest = without(rest, *largest);
  }
  return parts;
}

std::string list_text(std::span<const Group> groups) {
  std::string text;
  for (std::size_t i = 0; i < std::min(groups.size(), kMostListed); ++i) {
    if (i > 0) text += i + 1 == groups.size() ? " and " : ", ";
    text += set_text(groups[i]);
  }
  if (groups.size() > kMostListed) text += fmt::format(" and {} more", groups.size() - kMostListed);
  return text;
}

/// Describes the cell's sum as a group's sum less those of other groups; nullopt if the search finds no such
/// difference.
std::optional<std::string> difference_text(const Group& cell, std::span<const Group> groups) {
  for (const Group& group : groups) {
    if (!contains(group, cell)) continue;
    auto parts = parts_of(without(group, cell), groups);
    if (!parts) continue;
    if (parts->empty()) return fmt::format("is the sum over the group {}", set_text(group));
    if (parts->size() > 1)
      return fmt::format("would be the sum over {} minus those over {}", set_text(group), list_text(*parts));
    return fmt::format("would be the difference of the sums over {} and {}", set_text(group), set_text(parts->front()));
  }
  return std::nullopt;
}

}  // namespace

std::vector<Group> cells_of(std::span<const Group> groups) {
  std::map<std::string, std::vector<std::size_t>> memberships;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const std::string& site : groups[i]) memberships[site].push_back(i);
  }
  std::map<std::vector<std::size_t>, Group> by_membership;
  for (const auto& [site, in] : memberships) by_membership[in].push_back(site);
  std::vector<Group> cells;
  for (auto& [in, cell] : by_membership) cells.push_back(std::move(cell));
  std::sort(cells.begin(), cells.end());
  return cells;
}

std::size_t fewest_in_cell(std::uint32_t colluding) { return std::size_t{colluding} + 2; }

std::string set_text(const Group& sites) {
  std::string text;
  for (const std::string& site : sites) text.append(text.empty() ? "" : ", ").append(site);
  return "{" + text + "}";
}

std::string exposure_text(const Group& cell, std::span<const Group> groups, std::uint32_t colluding) {
  const bool alone = cell.size() == 1;
  const std::string whose = alone ? cell.front() + "'s part" : "the sum over " + set_text(cell) + " alone";
  std::string text;
  if (const auto difference = difference_text(cell, groups.last(std::min(groups.size(), kMostSearched)))) {
    text = whose + " " + *difference;
  } else {
    std::vector<Group> with;
    std::copy_if(groups.begin(), groups.end(), std::back_inserter(with),
                 [&](const Group& group) { return contains(group, cell); });
    text = fmt::format(
        "{} might be computed from several sums, because no other site is in exactly the same groups as {}: {}", whose,
        alone ? "it" : "these", list_text(with));
  }
  if (!alone)
    text += fmt::format(", and with up to {} of {} colluding, fewer than two honest sites would be left in it",
                        colluding, set_text(cell));
  return text;
}

}  // namespace consilium::roster
