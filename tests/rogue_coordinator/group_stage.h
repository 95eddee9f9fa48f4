#pragma once

#include <algorithm>

#include "common/encoding/fixed_point.h"
#include "tests/catch.h"
#include "tests/rogue_coordinator/attempt.h"
#include "tests/rogue_coordinator/group_attempt.h"

namespace consilium::rogue {

using job::SumKind;

inline StageOptions one_group() {
  StageOptions options;
  options.groups = {options.sites};
  return options;
}

/// North's group is the first.
inline StageOptions two_groups() {
  StageOptions options;
  options.sites = {"east", "north", "south", "ulm", "vienna", "west", "york"};
  options.groups = {{"east", "north", "south", "west"}, {"ulm", "vienna", "york"}};
  return options;
}

/// Returns a count of one element in a sum's words.
inline std::uint64_t count_in(const Words& words, const job::RoundOrder& order, std::string_view name) {
  const encoding::Field& field = *order.layout.find(name);
  std::vector<std::uint64_t> counts(field.elements);
  REQUIRE(encoding::decode_counts(std::span(words).subspan(field.offset, field.words()), field, counts));
  return counts.front();
}

/// Checks everything that north ever sent and uploaded: no text of an error, and no vector that looks plain.
inline void check_quiet(Stage& stage) {
  for (const wire::SiteMessage& message : stage.said()) {
    if (const auto* failed = std::get_if<wire::SessionFailed>(&message)) CHECK(failed->reason.empty());
  }
  for (const auto& [session, words] : stage.uploads()) {
    INFO(session);
    CHECK_FALSE(looks_plain(words));
  }
}

}  // namespace consilium::rogue
