#pragma once

#include <cstddef>
#include <cstdint>

#include "common/task/limits.h"

/// The limits on the contents of records (docs/formats/trainer_protocol.md).
namespace consilium::trainer {

inline constexpr std::size_t kMaxSoftwareBytes = 256;
inline constexpr std::size_t kMaxDeviceBytes = 32;
inline constexpr std::size_t kMaxMessageBytes = 4096;
inline constexpr std::size_t kMaxSiteBytes = 256;
inline constexpr std::size_t kMaxLayerBytes = 256;
inline constexpr std::size_t kMaxPathBytes = 4096;
inline constexpr std::size_t kMaxChannels = 4096;  ///< values of a normalisation
inline constexpr std::size_t kMaxClasses = task::kMaxClasses;
/// The maximum count of examples and steps. The sum of two such counts is exact in 64 bits and in a double.
inline constexpr std::uint64_t kMaxExamples = std::uint64_t{1} << 48;
inline constexpr std::uint32_t kMaxBatchSize = 1 << 20;
inline constexpr std::uint32_t kMaxLocalEpochs = 1'000'000;
inline constexpr std::uint64_t kMaxMilliseconds = std::uint64_t{1} << 40;
/// The maximum magnitude of a hyper-parameter or a loss.
inline constexpr double kMaxNumber = 1e30;

}  // namespace consilium::trainer
