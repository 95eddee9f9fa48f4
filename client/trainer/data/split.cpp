#include "client/trainer/data/split.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "common/random/random_stream.h"

namespace consilium::data {
namespace {

/// Returns how many of `patients` each split gets. These are the rounded shares, but at least one if the share isn't 0
/// and the training split keeps one.
std::array<std::size_t, 3> sizes_of(std::size_t patients, const std::array<double, 3>& shares) {
  std::array<std::size_t, 3> sizes{patients, 0, 0};
  for (const std::size_t split : {std::size_t{2}, std::size_t{1}}) {
    if (shares[split] <= 0.0) continue;
    const auto wanted = static_cast<std::size_t>(std::llround(shares[split] * static_cast<double>(patients)));
    sizes[split] = std::min(std::max<std::size_t>(wanted, 1), sizes[0] - std::min<std::size_t>(sizes[0], 1));
    sizes[0] -= sizes[split];
  }
  return sizes;
}

std::string named(const Item& item) {
  return item.origin.empty() ? fmt::format("'{}'", item.id) : fmt::format("'{}' ({})", item.id, item.origin);
}

}  // namespace

std::string owner_of(const Item& item) { return item.patient.empty() ? "file " + item.id : "patient " + item.patient; }

void split_by_patient(std::vector<Item>& items, const trainer::SplitSource& split) {
  std::map<std::string, job::Split> splits;
  for (const Item& item : items) splits.emplace(owner_of(item), job::Split::kTrain);
  std::vector<std::pair<std::uint64_t, std::string>> ranked;
  for (const auto& [owner, ignored] : splits) {
    RandomStream stream(split.seed, RandomPurpose::kSplit, 0, owner);
    ranked.emplace_back(stream.next_u64(), owner);
  }
  std::sort(ranked.begin(), ranked.end());
  const auto sizes = sizes_of(ranked.size(), split.shares);
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    // The training patients come last: a new patient shifts those ranked after it, which changes nothing within the
    // training split.
    splits[ranked[i].second] = i < sizes[2]              ? job::Split::kTest
                               : i < sizes[2] + sizes[1] ? job::Split::kVal
                                                         : job::Split::kTrain;
  }
  for (Item& item : items) item.split = splits.at(owner_of(item));
}

Result<void> check_patients(const std::vector<Item>& items) {
  std::map<std::string, const Item*> first;
  for (const Item& item : items) {
    const Item& other = *first.emplace(owner_of(item), &item).first->second;
    if (other.split == item.split) continue;
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("a patient is in two splits: {} in {}, {} in {}; put all images of a patient into one split",
                    named(other), job::name_of(other.split), named(item), job::name_of(item.split)));
  }
  return {};
}

}  // namespace consilium::data
