#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace consilium {

/// What a random stream is used for. Streams of different purposes are independent. The numbers are part of what makes
/// a run repeatable, so existing ones never change.
enum class RandomPurpose : std::uint32_t {
  kInitialWeights = 1,
  kCohort = 2,
  kShuffle = 3,        ///< the order of a site's examples in one round
  kDropout = 4,        ///< the seed of torch's generator in one round
  kPartition = 5,      ///< how a data set is split over simulated sites
  kStragglers = 6,     ///< which simulated sites are slow, and how slow
  kSynthetic = 7,      ///< generated data sets
  kBackoff = 8,        ///< jitter before a reconnection
  kDropouts = 9,       ///< which simulated sites stop responding, and at which step
  kSplit = 10,         ///< which split a patient of a data set falls into
  kAugmentation = 11,  ///< patches and random augmentations of a site's examples in one epoch
  kBootstrap = 12,     ///< which patients are in one bootstrap sample
};

/// A stream of pseudo-random numbers that depends only on (seed, purpose, round, name). It gives the same numbers on
/// every machine, in the daemons and in the simulator. Use it for reproducibility, never for secrets (those come from
/// OpenSSL).
///
/// The generator is Philox4x32-10 (Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3", section 4.3). Its
/// 64-bit key and the upper 64 bits of its counter come from SHA-256 over the inputs, with strings preceded by their
/// lengths. The lower 64 bits count blocks. Not thread-safe; copying a stream copies its position.
class RandomStream {
 public:
  /// @param name the site, tensor or partition that the stream is for; may be empty
  RandomStream(std::uint64_t seed, RandomPurpose purpose, std::uint32_t round, std::string_view name);

  [[nodiscard]] std::uint32_t next_u32();
  [[nodiscard]] std::uint64_t next_u64();
  /// Draws uniformly from [0, 1) with 24 random bits: every value is exact in float.
  [[nodiscard]] float next_float();
  /// Draws uniformly from [0, 1) with 53 random bits.
  [[nodiscard]] double next_double();
  /// Draws uniformly from {0, ..., bound - 1} without modulo bias (Lemire's rejection). bound >= 1.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound);
  /// Draws from the standard normal distribution (Box-Muller). It calls libm, so the last bit may differ between
  /// machines: use it only for generated data sets, never for weights.
  [[nodiscard]] double next_normal();

 private:
  void refill();

  std::array<std::uint32_t, 2> key_{};
  std::array<std::uint32_t, 4> counter_{};
  std::array<std::uint32_t, 4> block_{};
  unsigned used_ = 4;
};

}  // namespace consilium
