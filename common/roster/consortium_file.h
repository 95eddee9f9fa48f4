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

/// The decisions about a consortium that the person who runs the authority makes. The rest of a roster comes from the
/// authority's records.
namespace consilium::roster {

/// One population as consortium.yaml states it.
struct PopulationPlan {
  std::string name;
  std::vector<std::string> datasets{};
  Mode mode = Mode::kMasked;
  std::uint64_t examples = 0;
  std::optional<std::vector<Group>> groups{};  ///< nullopt: make_roster() plans them
};

/// The content of consortium.yaml (docs/formats/roster.md).
struct Consortium {
  std::uint32_t colluding = 1;  ///< c; 1 unless the file says otherwise
  std::vector<PopulationPlan> populations{};
};

/// Reads consortium.yaml. Errors name the file and the key. The limits on input are those of a roster.
/// @param members  the members of the consortium; groups may contain only these sites
Result<Consortium> read_consortium(const std::filesystem::path& file, const Roster& members);
Result<Consortium> parse_consortium(std::string_view text, std::string_view source, const Roster& members);

/// Splits sites into groups. Up to ten sites form one group, and so do more if two groups would be too small. Otherwise
/// there are about n / (2c + 4) groups. Their sizes differ by at most one, and each has at least 2c + 2 sites, so that
/// one site can leave. Sites that are adjacent in order of name go together. Returns no groups if there are fewer than
/// 2c + 1 sites.
[[nodiscard]] std::vector<Group> default_groups(const std::vector<std::string>& sites, std::uint32_t colluding);

/// A roster, and notes about it for the person who makes it.
struct MadeRoster {
  Roster roster;
  std::vector<std::string> notes;  ///< one or more sentences each
};

/// Makes the roster that follows `previous`. Serial and histories continue, and `may-leave` signatures of sites that
/// are in a group of `previous` are kept. If the plan states no groups, the previous ones stay, but a group closes if
/// one of its sites is no longer a member. Sites that were never in a group form new groups by default_groups(), if
/// there are enough of them. Fails with kFailedPrecondition, naming the key, if check_rules() forbids the change.
/// @param members      from members_of()
/// @param previous     nullptr for the first roster
/// @param successions  of sites that have a new key, in addition to those in `previous`
Result<MadeRoster> make_roster(const Roster& members, const Consortium& plan, const Roster* previous,
                               const std::vector<Succession>& successions = {});

}  // namespace consilium::roster
