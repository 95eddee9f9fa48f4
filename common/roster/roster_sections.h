#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/config/section.h"
#include "common/error/error.h"
#include "common/roster/roster.h"

/// The parts that roster files, consortium files and files of consents have in common.
namespace consilium::roster {

/// Returns the choices "masked", "masked-threshold" and "plain".
[[nodiscard]] const config::Choices<Mode>& mode_choices();

/// Maps each data set that has been read to its population.
using DatasetOwners = std::map<std::string, std::string>;
/// Reads the names of a population's data sets. Refuses a name that another population has.
Result<std::vector<std::string>> read_datasets(const config::Value& value, const std::string& population,
                                               DatasetOwners& owners);

/// Reads a list of groups. Each is a list of at least `least` different names, in order.
/// @param why  the reason for `least`, for the error
Result<std::vector<Group>> read_groups(const config::Value& value, std::size_t least, const std::string& why);
/// Checks that the groups in force are disjoint and contain only sites of the roster.
Result<void> check_in_force(const config::Value& value, const std::vector<Group>& groups,
                            const std::map<std::string, crypto::Digest>& sites);

/// Reads a list of signatures.
Result<std::vector<Consent>> read_consent_list(const config::Value& value);
/// Reads a list of successions. Refuses a succession whose serial isn't higher than that of the site's succession
/// before it.
Result<std::vector<Succession>> read_succession_list(const config::Value& value);

/// Return the smallest size of a group in force, and the reason for it in words.
[[nodiscard]] std::size_t fewest_in_group(std::uint32_t colluding);
[[nodiscard]] std::string fewest_reason(std::uint32_t colluding);

}  // namespace consilium::roster
