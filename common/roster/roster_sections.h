#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/config/section.h"
#include "common/error/error.h"
#include "common/roster/roster.h"

/// The parts that a roster file and a consortium file have in common, and those of a file of consents.
namespace consilium::roster {

/// "masked", "masked-threshold", "plain".
[[nodiscard]] const config::Choices<Mode>& mode_choices();

/// Where a data set's name was read: by data set, the population.
using DatasetOwners = std::map<std::string, std::string>;
/// Reads the names of a population's data sets; refuses one that another population has.
Result<std::vector<std::string>> read_datasets(const config::Value& value, const std::string& population,
                                               DatasetOwners& owners);

/// Reads a list of groups: each a list of at least `least` different names, in order.
/// @param why  where `least` comes from, for the error
Result<std::vector<Group>> read_groups(const config::Value& value, std::size_t least, const std::string& why);
/// Checks that groups in force are disjoint and consist of sites that the roster has.
Result<void> check_in_force(const config::Value& value, const std::vector<Group>& groups,
                            const std::map<std::string, crypto::Digest>& sites);

/// Reads a list of signatures.
Result<std::vector<Consent>> read_consent_list(const config::Value& value);
/// Reads a list of successions; refuses one whose serial doesn't rise with each of a site's successions.
Result<std::vector<Succession>> read_succession_list(const config::Value& value);

/// The fewest sites of a group in force, and the reason in words.
[[nodiscard]] std::size_t fewest_in_group(std::uint32_t colluding);
[[nodiscard]] std::string fewest_reason(std::uint32_t colluding);

}  // namespace consilium::roster
