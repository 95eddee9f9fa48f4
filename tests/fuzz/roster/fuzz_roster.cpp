#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/roster/roster_change.h"
#include "common/roster/roster_file.h"

/// Any text is refused, or is a roster that survives writing and reading, can follow itself, and whose signatures can
/// be checked whatever they are.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace consilium::roster;
  const auto roster = parse_roster(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!roster) return 0;
  if (roster->consortium.empty()) std::abort();
  const std::string text = roster_text(*roster);
  if (text.size() <= kMaxRosterBytes / 2) {
    const auto again = parse_roster(text, "fuzz");
    if (!again || *again != *roster) std::abort();
  }
  if (!check_change({.known = &*roster, .next = *roster}, Departures::kRefuse)) std::abort();
  for (const auto& [site, key] : roster->sites)
    static_cast<void>(check_change({.next = *roster, .site = site}, Departures::kRefuse));
  return 0;
}
