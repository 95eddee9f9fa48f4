#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/sha256.h"

/// The members of a consortium, and the groups over which their data may be summed. Every site gets this file by a
/// channel other than the coordinator.
namespace consilium::roster {

/// How the sums over a population's data are protected. A population's mode never changes.
enum class Mode : std::uint8_t {
  kMasked = 1,           ///< sums over whole groups, only pairwise masks (docs/secure-aggregation.md)
  kMaskedThreshold = 2,  ///< sums over changing survivors, double masking with shares (Bonawitz et al. 2017)
  kPlain = 3,            ///< the coordinator sees each site's vector
};
/// Returns "masked", "masked-threshold" or "plain".
[[nodiscard]] std::string_view name_of(Mode mode);

/// The names of sites, in order, each once.
using Group = std::vector<std::string>;

/// Data sets that may hold the same patients. Every data set's name belongs to exactly one population.
struct Population {
  std::string name{};
  std::vector<std::string> datasets{};  ///< names that jobs use, in order
  Mode mode = Mode::kMasked;
  std::uint64_t examples = 0;    ///< B: upper bound of the training examples of one site; public, and never lowered
  std::vector<Group> groups{};   ///< the groups in force: disjoint, each of at least 2c + 1 sites
  std::vector<Group> history{};  ///< every group that was ever in force, including those in force now; only grows
  bool operator==(const Population&) const = default;
};

/// What a site has agreed to by its signature.
enum class ConsentKind : std::uint8_t {
  kChange = 1,    ///< to this particular change of the groups, although it makes the site's cell small
  kMayLeave = 2,  ///< to leaving its group one day, although its part can be computed then
};

/// A site's signature on a change of a population. consent.h says what it covers.
struct Consent {
  ConsentKind kind = ConsentKind::kChange;
  std::string site;
  std::string population;
  std::uint64_t serial = 0;          ///< serial of the roster that was signed
  std::uint64_t history = 0;         ///< number of groups that the population's history had then
  std::string certificate;           ///< DER in base64 on one line: the body of the site's PEM file
  std::vector<std::byte> signature;  ///< ECDSA P-256 over SHA-256, DER
  bool operator==(const Consent&) const = default;
};

/// An old key's signature on its successor. It allows a site to continue under a new key as the same site.
struct Succession {
  std::string site;
  std::uint64_t serial = 0;    ///< of the last roster that the site had accepted; rises with each succession
  crypto::Digest key{};        ///< SHA-256 of the old SubjectPublicKeyInfo
  crypto::Digest successor{};  ///< SHA-256 of the new one
  std::string certificate;     ///< of the old key, in the format of Consent
  std::vector<std::byte> signature;
  bool operator==(const Succession&) const = default;
};

/// The content of a roster file. `serial` rises with every change of a roster that has populations. Without populations
/// it may be 0.
struct Roster {
  std::string consortium{};
  std::uint64_t serial = 0;
  std::uint32_t colluding = 1;                          ///< c; never lowered
  std::map<std::string, crypto::Digest> sites{};        ///< SHA-256 of each SubjectPublicKeyInfo; all different
  std::map<std::string, crypto::Digest> researchers{};  ///< researchers whose signatures on jobs count
  std::vector<Population> populations{};                ///< in order of name
  std::vector<Consent> consents{};                      ///< to this change, and those that sites may need later
  std::map<std::string, crypto::Digest> former{};       ///< last keys of sites that have left and that a history names
  std::vector<Succession> successions{};                ///< each site's in chronological order; only grows
  bool operator==(const Roster&) const = default;
};

/// Returns the population that a data set belongs to, or nullptr if the roster has none.
[[nodiscard]] const Population* population_of(const Roster& roster, std::string_view dataset);
/// Returns the population of this name, or nullptr if there is none.
[[nodiscard]] const Population* population_named(const Roster& roster, std::string_view name);

/// Returns the SHA-256 over a population's history, in order. Every masked job binds it (docs/formats/roster.md).
[[nodiscard]] crypto::Digest history_digest(const Population& population);
/// Computes the same over the given groups, which may be only the beginning of a history.
[[nodiscard]] crypto::Digest history_digest(std::span<const Group> history);

}  // namespace consilium::roster
