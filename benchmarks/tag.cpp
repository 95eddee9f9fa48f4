// Measures the tag of a group's vectors: the cost that it adds to a site's encoding, and the cost of checking a total.
// Nanoseconds are CPU time per parameter, the fastest of 15 rounds each.
//   tag_throughput [--json]
#include "common/secagg/tag.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "benchmarks/fastest.h"
#include "common/crypto/random_source.h"

namespace {

using namespace consilium;

constexpr std::size_t kRounds = 15;
constexpr std::size_t kPiece = 1024;  ///< words that an encoder passes on at a time, while they are in the cache

void check(bool good) {
  if (good) return;
  std::fputs("tag_throughput: the tag could not be computed\n", stderr);
  std::exit(1);
}

crypto::SecretBytes draw(std::size_t size) {
  crypto::SystemRandom random;
  auto secret = crypto::SecretBytes::allocate(size).value();
  check(random.fill(secret.bytes()).has_value());
  return secret;
}

/// Computes a site's tag from an encoder's pieces, which are already in the cache.
void tag_encoded(const crypto::SecretBytes& r, std::span<const std::uint32_t> words) {
  const std::vector<std::uint32_t> piece(words.begin(), words.begin() + kPiece);
  auto accumulator = secagg::TagAccumulator::create(r).value();
  for (std::size_t done = 0; done < words.size(); done += kPiece) accumulator.add(piece);
  check(accumulator.value() < secagg::kFieldPrime);
}

/// Computes what a site checks of a total. The whole vector is read from memory.
void check_total(const crypto::SecretBytes& r, std::span<const std::uint32_t> words, unsigned threads) {
  const auto value = secagg::accumulate_tag(r, words, threads);
  std::vector<secagg::GroupTag> groups;
  groups.push_back({4, draw(secagg::kFieldSecretBytes), 1});
  check(value.has_value() && !secagg::check_tag(*value, groups));
}

}  // namespace

int main(int argc, char** argv) {
  const bool json = argc == 2 && std::strcmp(argv[1], "--json") == 0;
  if (argc > 1 && !json) {
    std::fputs("Usage: tag_throughput [--json]\n", stderr);
    return 2;
  }
  constexpr std::size_t kWords = 24'414 * kPiece;  // 25 million
  const std::vector<std::uint32_t> words(kWords, 0x5EED5EED);
  const crypto::SecretBytes r = draw(secagg::kFieldSecretBytes);
  benchmarks::Cost tag, one, two;
  for (std::size_t round = 0; round < kRounds; ++round) {
    benchmarks::measure_once(tag, [&] { tag_encoded(r, words); });
    benchmarks::measure_once(one, [&] { check_total(r, words, 1); });
    benchmarks::measure_once(two, [&] { check_total(r, words, 2); });
  }
  const struct {
    const char* what;
    benchmarks::Cost cost;
  } rows[] = {{"tag, while encoding", tag}, {"check of a total", one}, {"check of a total, 2 threads", two}};
  const char* separator = "[";
  if (!json) std::printf("%-30s %12s %8s %14s\n", "", "parameters", "seconds", "ns a parameter");
  for (const auto& row : rows) {
    const double nanoseconds = 1e9 * row.cost.cpu / static_cast<double>(kWords);
    if (json) {
      std::printf("%s{\"workload\": \"%s\", \"parameters\": %zu, \"seconds\": %.4f, \"ns_per_parameter\": %.4f}",
                  separator, row.what, kWords, row.cost.wall, nanoseconds);
      separator = ",\n ";
    } else {
      std::printf("%-30s %12zu %8.3f %14.3f\n", row.what, kWords, row.cost.wall, nanoseconds);
    }
  }
  if (json) std::puts("]");
  return 0;
}
