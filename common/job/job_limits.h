#pragma once

#include <cstdint>

/// The largest numbers that a job and a round order may hold. Both parsers use them.
namespace consilium::job {

inline constexpr std::uint32_t kMaxRounds = 1'000'000;
inline constexpr std::uint32_t kMaxLocalEpochs = 10'000;
inline constexpr std::uint32_t kMaxBatchSize = 1'000'000;
inline constexpr std::uint64_t kMaxTimeLimitMs = 30ULL * 24 * 3600 * 1000;
inline constexpr std::uint32_t kMaxSites = 10'000;
inline constexpr std::uint32_t kMaxReaders = 100;
/// Bounds on the sites of a masked job. With fewer than three, a site could subtract its own update from the sum and
/// get another site's update. A site's rank is a byte.
inline constexpr std::uint32_t kMinMaskedSites = 3;
inline constexpr std::uint32_t kMaxMaskedSites = 255;
/// Bound on the sites of a group in mode masked, because lists of adverts grow with its square and one absent site
/// stops its whole group.
inline constexpr std::uint32_t kMaxGroupSites = 128;
inline constexpr std::uint32_t kMaxColludingSites = (kMaxMaskedSites - 1) / 2;
inline constexpr std::uint32_t kMaxCountGroups = kMaxMaskedSites / kMinMaskedSites;
/// B: with a larger bound, a site's weight n_i / (B k) would be too small for the fixed point of a sum.
inline constexpr std::uint64_t kMaxPopulationExamples = 1'000'000'000;
/// Bounds on the bytes of an atlas's file, both compressed and decompressed, and on the maps in it.
inline constexpr std::uint64_t kMaxAtlasBytes = std::uint64_t{1} << 30;
inline constexpr std::uint32_t kMaxAtlasChannels = 16;
/// Bound on the words in one list or map of layers.
inline constexpr std::uint32_t kMaxLayerWords = 1000;
/// Bounds on the factor of a layer's learning rate.
inline constexpr double kMinRateFactor = 1e-6;
inline constexpr double kMaxRateFactor = 1e6;
/// Bounds on the norm that a step's gradient is clipped to.
inline constexpr double kMinGradientClip = 1e-6;
inline constexpr double kMaxGradientClip = 1e6;
inline constexpr double kMinClip = 1.0 / (1 << 20);
inline constexpr double kMaxClip = 1 << 20;

}  // namespace consilium::job
