#include "common/config/nearest.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

namespace consilium::config {
namespace {

constexpr std::size_t kLongest = 64;
/// Maximum number of known words that an error message lists.
constexpr std::size_t kListed = 30;

char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter; }

std::size_t distance(std::string_view a, std::string_view b) {
  a = a.substr(0, kLongest);
  b = b.substr(0, kLongest);
  using Row = std::array<std::size_t, kLongest + 1>;
  Row before{}, last{}, now{};
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + change});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1])) {
        now[j] = std::min(now[j], before[j - 2] + 1);
      }
    }
    before = last;
    last = now;
  }
  return last[b.size()];
}

}  // namespace

std::string nearest(std::string_view found, std::span<const std::string_view> known) {
  std::string_view best;
  std::size_t smallest = std::numeric_limits<std::size_t>::max();
  for (const std::string_view word : known) {
    const std::size_t steps = distance(found, word);
    if (steps < smallest) {
      smallest = steps;
      best = word;
    }
  }
  const std::size_t longer = std::min(std::max(found.size(), best.size()), kLongest);
  return smallest <= std::max<std::size_t>(1, longer / 3) ? std::string(best) : std::string();
}

std::string meant(std::string_view found, std::span<const std::string_view> known) {
  if (const std::string near = nearest(found, known); !near.empty()) return "did you mean '" + near + "'?";
  std::string list;
  for (const std::string_view word : known.first(std::min(known.size(), kListed)))
    list.append(list.empty() ? "" : ", ").append(word);
  return known.empty() ? "no word is accepted here"
                       : "expected one of " + list + (known.size() > kListed ? ", ..." : "");
}

}  // namespace consilium::config
