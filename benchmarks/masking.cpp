// Compares the masks of secure aggregation with their lower bound: the bare keystream, which is OpenSSL's AES-256-CTR,
// on the same buffer in the same run. Every figure is the fastest of 15 rounds that alternate with the bound's.
// Nanoseconds are CPU time, to minimise the influence of other processes on the machine.
//   masking_throughput [--json]
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "benchmarks/fastest.h"
#include "common/crypto/openssl.h"
#include "common/crypto/random_source.h"
#include "common/secagg/mask.h"

namespace {

using namespace consilium;
using benchmarks::Cost;
using benchmarks::measure_once;

constexpr std::size_t kRounds = 15;
constexpr std::array<std::uint8_t, 32> kKey{};
constexpr std::array<std::uint8_t, 16> kCounter{};

void check(bool good) {
  if (good) return;
  std::fputs("masking_throughput: OpenSSL failed\n", stderr);
  std::exit(1);
}

/// The lower bound: one call that encrypts the whole buffer.
void bare_keystream(std::span<std::uint32_t> words) {
  const crypto::CipherContextPtr context(EVP_CIPHER_CTX_new());
  auto* bytes = reinterpret_cast<unsigned char*>(words.data());
  int size = 0;
  check(EVP_EncryptInit_ex(context.get(), EVP_aes_256_ctr(), nullptr, kKey.data(), kCounter.data()) == 1);
  check(EVP_EncryptUpdate(context.get(), bytes, &size, bytes, static_cast<int>(words.size_bytes())) == 1);
}

std::vector<secagg::MaskTerm> make_terms(std::size_t count) {
  std::vector<secagg::MaskTerm> terms(count);
  crypto::SystemRandom random;
  for (std::size_t i = 0; i < count; ++i) {
    terms[i].key = crypto::SecretBytes::allocate(32).value();
    terms[i].subtract = i % 2 == 1;
    check(random.fill(terms[i].key.bytes()).has_value());
  }
  return terms;
}

struct Plan {
  const char* what;
  std::size_t masks;
  std::size_t words;
  unsigned threads;
};

struct Measured {
  double seconds;      ///< for all masks, wall time
  double nanoseconds;  ///< CPU time, per parameter and mask
  double floor;        ///< the same for the bare keystream
};

Measured measure(const Plan& plan) {
  std::vector<std::uint32_t> words(plan.words, 0x5EED);
  const auto terms = make_terms(plan.masks);
  Cost masked;
  Cost bare;
  for (std::size_t round = 0; round < kRounds; ++round) {
    measure_once(bare, [&] { bare_keystream(words); });
    measure_once(masked, [&] { check(secagg::add_masks(terms, 0, words, plan.threads).has_value()); });
  }
  const double per_word = 1e9 / static_cast<double>(plan.words);
  return {masked.wall, masked.cpu * per_word / static_cast<double>(plan.masks), bare.cpu * per_word};
}

}  // namespace

int main(int argc, char** argv) {
  const bool json = argc == 2 && std::strcmp(argv[1], "--json") == 0;
  if (argc > 1 && !json) {
    std::fputs("Usage: masking_throughput [--json]\n", stderr);
    return 2;
  }
  constexpr Plan kPlans[] = {
      {"1 mask", 1, 25'000'000, 1},
      {"3 masks", 3, 25'000'000, 1},
      {"10 masks", 10, 25'000'000, 1},
      {"10 masks, 2 threads", 10, 25'000'000, 2},
      {"unmask, 1 of 20 sites dropped", 19 + 19, 10'000'000,
       1},  // self masks of the sites that stayed, pair masks with the one that left
      {"unmask, 2 threads", 19 + 19, 10'000'000, 2},
  };
  const char* separator = "[";
  if (!json)
    std::printf("%-30s %12s %8s %10s %10s %6s\n", "", "parameters", "seconds", "ns a mask", "floor, ns", "ratio");
  for (const Plan& plan : kPlans) {
    const Measured result = measure(plan);
    if (json) {
      std::printf(
          "%s{\"workload\": \"%s\", \"masks\": %zu, \"parameters\": %zu, \"threads\": %u, \"seconds\": %.4f, "
          "\"ns_per_parameter_and_mask\": %.4f, \"floor_ns\": %.4f, \"ratio\": %.3f}",
          separator, plan.what, plan.masks, plan.words, plan.threads, result.seconds, result.nanoseconds, result.floor,
          result.nanoseconds / result.floor);
      separator = ",\n ";
    } else {
      std::printf("%-30s %12zu %8.3f %10.3f %10.3f %6.2f\n", plan.what, plan.words, result.seconds, result.nanoseconds,
                  result.floor, result.nanoseconds / result.floor);
    }
  }
  if (json) std::puts("]");
  return 0;
}
