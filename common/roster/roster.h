#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/sha256.h"

/// Who belongs to a consortium and over whom their data may be summed: the file that every site gets by another way
/// than through the coordinator.
namespace consilium::roster {

/// How the sums over a population's data are protected. A population keeps its mode for good.
enum class Mode : std::uint8_t {
  kMasked = 1,           ///< sums over whole groups, pairwise masks alone (docs/secure-aggregation.md)
  kMaskedThreshold = 2,  ///< sums over changing survivors, double masking with shares (Bonawitz et al. 2017)
  kPlain = 3,            ///< the coordinator sees each site's vector
};
/// "masked", "masked-threshold" or "plain".
[[nodiscard]] std::string_view name_of(Mode mode);

/// Names of sites, in order, each once.
using Group = std::vector<std::string>;

/// Data sets that may hold the same patients. Every data set name is in one population.
struct Population {
  std::string name;
  std::vector<std::string> datasets;  ///< names that jobs use, in order
  Mode mode = Mode::kMasked;
  std::uint64_t examples = 0;  ///< B: upper bound of the training examples of one site; public, and never lowered
  std::vector<Group> groups;   ///< in force: disjoint, each of at least 2c + 1 sites
  std::vector<Group> history;  ///< every group that was ever in force, those in force included; only ever grows
  bool operator==(const Population&) const = default;
};

/// A roster file's content. `serial` rises with every change.
struct Roster {
  std::string consortium;
  std::uint64_t serial = 0;
  std::uint32_t colluding = 1;                        ///< c; never lowered
  std::map<std::string, crypto::Digest> sites;        ///< SHA-256 of each SubjectPublicKeyInfo; all different
  std::map<std::string, crypto::Digest> researchers;  ///< whose signatures under jobs count
  std::vector<Population> populations;                ///< in order of name
  bool operator==(const Roster&) const = default;
};

/// The population that a data set belongs to; nullptr where the roster names it in none.
[[nodiscard]] const Population* population_of(const Roster& roster, std::string_view dataset);

/// SHA-256 over a population's history, in order: what each masked job binds.
[[nodiscard]] crypto::Digest history_digest(const Population& population);

}  // namespace consilium::roster
