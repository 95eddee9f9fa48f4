#include <spdlog/fmt/fmt.h>

#include "common/roster/consent.h"
#include "common/roster/roster_file.h"
#include "common/roster/succession.h"

namespace consilium::roster {
namespace {

using Keys = std::map<std::string, crypto::Digest>;

std::string hex_of(const std::vector<std::byte>& bytes) {
  return crypto::to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

std::string members_text(std::string_view key, const Keys& members) {
  std::string text = fmt::format("{}:{}\n", key, members.empty() ? " []" : "");
  for (const auto& [name, fingerprint] : members)
    text += fmt::format("  - name: \"{}\"\n    fingerprint: \"{}\"\n", name, crypto::to_hex(fingerprint));
  return text;
}

/// Returns the names in brackets: ["east", "north"].
std::string names_text(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += fmt::format("{}\"{}\"", text.empty() ? "" : ", ", name);
  return "[" + text + "]";
}

std::string groups_text(std::string_view key, const std::vector<Group>& groups) {
  std::string text = fmt::format("    {}:{}\n", key, groups.empty() ? " []" : "");
  for (const Group& group : groups) text += fmt::format("      - {}\n", names_text(group));
  return text;
}

std::string population_text(const Population& population) {
  return fmt::format("  {}:\n    datasets: {}\n    mode: {}\n    examples: {}\n", population.name,
                     names_text(population.datasets), name_of(population.mode), population.examples) +
         groups_text("groups", population.groups) + groups_text("history", population.history);
}

}  // namespace

std::string consents_text(const std::vector<Consent>& consents) {
  std::string text = consents.empty() ? "consents: []\n" : "consents:\n";
  for (const Consent& consent : consents) {
    text += fmt::format(
        "  - kind: {}\n    site: \"{}\"\n    population: \"{}\"\n    serial: {}\n    history: {}\n"
        "    certificate: \"{}\"\n    signature: \"{}\"\n",
        consent.kind == ConsentKind::kChange ? "change" : "may-leave", consent.site, consent.population, consent.serial,
        consent.history, consent.certificate, hex_of(consent.signature));
  }
  return text;
}

std::string successions_text(const std::vector<Succession>& successions) {
  std::string text = successions.empty() ? "successions: []\n" : "successions:\n";
  for (const Succession& one : successions) {
    text += fmt::format(
        "  - site: \"{}\"\n    serial: {}\n    key: \"{}\"\n    successor: \"{}\"\n    certificate: \"{}\"\n"
        "    signature: \"{}\"\n",
        one.site, one.serial, crypto::to_hex(one.key), crypto::to_hex(one.successor), one.certificate,
        hex_of(one.signature));
  }
  return text;
}

std::string roster_text(const Roster& roster) {
  std::string text =
      "# Members of the consortium and the SHA-256 fingerprints of their keys.\n"
      "# Compare each with what its hospital says over another channel.\n";
  text += fmt::format("consortium: \"{}\"\n", roster.consortium);
  if (roster.serial > 0) text += fmt::format("serial: {}\n", roster.serial);
  if (!roster.populations.empty() || roster.colluding != Roster().colluding)
    text += fmt::format("colluding: {}\n", roster.colluding);
  text += members_text("sites", roster.sites);
  text += members_text("researchers", roster.researchers);
  if (!roster.populations.empty()) text += "populations:\n";
  for (const Population& population : roster.populations) text += population_text(population);
  if (!roster.consents.empty()) text += consents_text(roster.consents);
  if (!roster.former.empty()) text += members_text("former", roster.former);
  if (!roster.successions.empty()) text += successions_text(roster.successions);
  return text;
}

}  // namespace consilium::roster
