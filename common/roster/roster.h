#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
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
  std::string name{};
  std::vector<std::string> datasets{};  ///< names that jobs use, in order
  Mode mode = Mode::kMasked;
  std::uint64_t examples = 0;    ///< B: upper bound of the training examples of one site; public, and never lowered
  std::vector<Group> groups{};   ///< in force: disjoint, each of at least 2c + 1 sites
  std::vector<Group> history{};  ///< every group that was ever in force, those in force included; only ever grows
  bool operator==(const Population&) const = default;
};

/// What a site agreed to with its signature.
enum class ConsentKind : std::uint8_t {
  kChange = 1,    ///< this very change of the groups, although it makes the site's cell small
  kMayLeave = 2,  ///< that the site leaves its group one day, although its part can be computed then
};

/// A site's signature under a change of a population (consent.h says over what).
struct Consent {
  ConsentKind kind = ConsentKind::kChange;
  std::string site;
  std::string population;
  std::uint64_t serial = 0;          ///< of the roster that was signed
  std::uint64_t history = 0;         ///< how many groups the population's history had then
  std::string certificate;           ///< DER in base64, one line: the body of the site's PEM file
  std::vector<std::byte> signature;  ///< ECDSA P-256 over SHA-256, DER
  bool operator==(const Consent&) const = default;
};

/// An old key's signature under the key that follows it: with it a site goes on under a new key, and is the same site.
struct Succession {
  std::string site;
  std::uint64_t serial = 0;    ///< of the roster that the site had accepted last; rises with each of its successions
  crypto::Digest key{};        ///< SHA-256 of the old SubjectPublicKeyInfo
  crypto::Digest successor{};  ///< of the new one
  std::string certificate;     ///< of the old key, as in Consent
  std::vector<std::byte> signature;
  bool operator==(const Succession&) const = default;
};

/// A roster file's content. `serial` rises with every change of a roster that has populations; without them it may be
/// 0.
struct Roster {
  std::string consortium{};
  std::uint64_t serial = 0;
  std::uint32_t colluding = 1;                          ///< c; never lowered
  std::map<std::string, crypto::Digest> sites{};        ///< SHA-256 of each SubjectPublicKeyInfo; all different
  std::map<std::string, crypto::Digest> researchers{};  ///< whose signatures under jobs count
  std::vector<Population> populations{};                ///< in order of name
  std::vector<Consent> consents{};                      ///< to this change; and those that sites may need later
  std::map<std::string, crypto::Digest> former{};       ///< last keys of sites that a history names and that have left
  std::vector<Succession> successions{};                ///< of each site in order of time; only ever grows
  bool operator==(const Roster&) const = default;
};

/// The population that a data set belongs to; nullptr where the roster names it in none.
[[nodiscard]] const Population* population_of(const Roster& roster, std::string_view dataset);
/// The population of this name; nullptr where there is none.
[[nodiscard]] const Population* population_named(const Roster& roster, std::string_view name);

/// SHA-256 over a population's history, in order: what each masked job binds (docs/formats/roster.md).
[[nodiscard]] crypto::Digest history_digest(const Population& population);
/// The same over the first groups of a history.
[[nodiscard]] crypto::Digest history_digest(std::span<const Group> history);

}  // namespace consilium::roster
