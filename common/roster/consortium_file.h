#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"
#include "common/roster/roster.h"

/// What whoever runs the authority decides about a consortium; the rest of a roster comes from the authority's book.
namespace consilium::roster {

/// One population as consortium.yaml states it.
struct PopulationPlan {
  std::string name;
  std::vector<std::string> datasets{};
  Mode mode = Mode::kMasked;
  std::uint64_t examples = 0;
  std::optional<std::vector<Group>> groups{};  ///< nothing: planned by make_roster()
};

/// consortium.yaml (docs/formats/roster.md).
struct Consortium {
  std::uint32_t colluding = 1;  ///< one colluding site unless the file says more
  std::vector<PopulationPlan> populations{};
};

/// Reads consortium.yaml. Errors name the file and key; bounded like a roster.
/// @param members  of the consortium; groups may have these sites alone
Result<Consortium> read_consortium(const std::filesystem::path& file, const Roster& members);
Result<Consortium> parse_consortium(std::string_view text, std::string_view source, const Roster& members);

/// Splits sites into groups: one of all up to ten sites, or where two would be too small; above, about n / (2c + 4)
/// groups whose sizes differ by one at most, each of at least 2c + 2, so that one site can leave. Neighbours in order
/// of name go together. No groups where there are fewer than 2c + 1 sites.
[[nodiscard]] std::vector<Group> default_groups(const std::vector<std::string>& sites, std::uint32_t colluding);

/// A roster, and what its maker should know about it.
struct MadeRoster {
  Roster roster;
  std::vector<std::string> notes;  ///< sentences
};

/// Makes the roster that follows `previous`: serial and histories continue, `may-leave` signatures of sites that are
/// still in a group are kept. Where the plan states no groups, the previous ones stay; one with a site that is no
/// member any more closes; sites that were never in a group form new ones by default_groups(), if they are enough.
/// @param members      from members_of()
/// @param previous     nullptr for the first
/// @param successions  of sites that have a new key, beside those of `previous`
/// kFailedPrecondition, with the key, where check_rules() forbids the change.
Result<MadeRoster> make_roster(const Roster& members, const Consortium& plan, const Roster* previous,
                               const std::vector<Succession>& successions = {});

}  // namespace consilium::roster
