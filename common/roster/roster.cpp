#include "common/roster/roster.h"

#include <algorithm>

#include "common/encoding/byte_writer.h"

namespace consilium::roster {

std::string_view name_of(Mode mode) {
  switch (mode) {
    case Mode::kMasked:
      return "masked";
    case Mode::kMaskedThreshold:
      return "masked-threshold";
    case Mode::kPlain:
      return "plain";
  }
  return "unknown";
}

const Population* population_of(const Roster& roster, std::string_view dataset) {
  for (const Population& population : roster.populations) {
    const auto& names = population.datasets;
    if (std::find(names.begin(), names.end(), dataset) != names.end()) return &population;
  }
  return nullptr;
}

const Population* population_named(const Roster& roster, std::string_view name) {
  const auto found = std::find_if(roster.populations.begin(), roster.populations.end(),
                                  [&](const Population& population) { return population.name == name; });
  return found == roster.populations.end() ? nullptr : &*found;
}

crypto::Digest history_digest(std::span<const Group> history) {
  encoding::ByteWriter record;
  record.integer(std::uint64_t{history.size()});
  for (const Group& group : history) {
    record.integer(std::uint64_t{group.size()});
    for (const std::string& site : group) record.prefixed<std::uint64_t>(site);
  }
  encoding::ByteWriter labelled;
  labelled.prefixed<std::uint64_t>("consilium/v1/history");
  labelled.prefixed<std::uint64_t>(record.take());
  return crypto::sha256(labelled.take());
}

crypto::Digest history_digest(const Population& population) { return history_digest(std::span(population.history)); }

}  // namespace consilium::roster
