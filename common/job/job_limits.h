#pragma once

#include <cstdint>

/// The largest numbers that a job and a round order may hold; both readers share them.
namespace consilium::job {

inline constexpr std::uint32_t kMaxRounds = 1'000'000;
inline constexpr std::uint32_t kMaxLocalEpochs = 10'000;
inline constexpr std::uint32_t kMaxBatchSize = 1'000'000;
inline constexpr std::uint64_t kMaxTimeLimitMs = 30ULL * 24 * 3600 * 1000;
inline constexpr std::uint32_t kMaxSites = 10'000;
inline constexpr std::uint32_t kMaxReaders = 100;
/// Of a masked job: with fewer than three, a sum minus one's own update is another's; a site's rank is a byte.
inline constexpr std::uint32_t kMinMaskedSites = 3;
inline constexpr std::uint32_t kMaxMaskedSites = 255;
/// Of a group in mode masked: lists of adverts grow with the square of it, and one absent site stops its whole group.
inline constexpr std::uint32_t kMaxGroupSites = 128;
inline constexpr std::uint32_t kMaxColludingSites = (kMaxMaskedSites - 1) / 2;
inline constexpr std::uint32_t kMaxCountGroups = kMaxMaskedSites / kMinMaskedSites;
/// B: with more, a site's weight n_i / (B k) would be too small for the fixed point of a sum.
inline constexpr std::uint64_t kMaxPopulationExamples = 1'000'000'000;
/// Bytes of an atlas's file, packed and unpacked, and maps in it.
inline constexpr std::uint64_t kMaxAtlasBytes = std::uint64_t{1} << 30;
inline constexpr std::uint32_t kMaxAtlasChannels = 16;
/// Words in one list or map of layers.
inline constexpr std::uint32_t kMaxLayerWords = 1000;
/// What a layer's learning rate is multiplied by.
inline constexpr double kMinRateFactor = 1e-6;
inline constexpr double kMaxRateFactor = 1e6;
/// Norm that a step's gradient is clipped to.
inline constexpr double kMinGradientClip = 1e-6;
inline constexpr double kMaxGradientClip = 1e6;
inline constexpr double kMinClip = 1.0 / (1 << 20);
inline constexpr double kMaxClip = 1 << 20;

}  // namespace consilium::job
