#pragma once

#include <cstddef>
#include <cstdint>

/// Bounds of the wire (docs/formats/wire.md). Receivers check them, and senders comply with them.
namespace consilium::wire {

/// Payload of one chunk of bulk data, in bytes.
inline constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
/// Largest message received, in bytes. It fits a chunk, a job's text or a round order, with some overhead.
inline constexpr std::size_t kMaxMessageBytes = std::size_t{2} << 20;
/// Largest message of a site on its stream; largest start, digest or request of bulk data. In bytes.
inline constexpr std::size_t kMaxSiteMessageBytes = std::size_t{64} << 10;
inline constexpr std::size_t kMaxBulkHeadBytes = 1024;
/// Largest message of secure aggregation that a coordinator sends, in bytes. It fits 255 adverts with their
/// certificates.
inline constexpr std::size_t kMaxMaskingBytes = std::size_t{1280} << 10;
/// Bounds on a job's status as a researcher's command receives it, in bytes. It is sent in messages of at most
/// kChunkBytes. The first bounds the record of one round, and the activities of all sites; the second bounds all
/// records.
inline constexpr std::size_t kMaxUpdatePartBytes = std::size_t{256} << 20;
inline constexpr std::uint64_t kMaxHistoryBytes = std::uint64_t{4} << 30;
/// Largest blob that a researcher may upload, in bytes (ParameterManifest::kMaxParameters floats).
inline constexpr std::uint64_t kMaxBlobBytes = std::uint64_t{1} << 33;

inline constexpr std::size_t kMaxNameBytes = 128;                         ///< job ids, data sets, software, researchers
inline constexpr std::size_t kMaxReasonBytes = 2048;                      ///< reasons, outcomes, details
inline constexpr std::size_t kMaxDatasets = 256;                          ///< names in a hello
inline constexpr std::size_t kMaxSites = 10'000;                          ///< in a status
inline constexpr std::size_t kMaxRounds = 1'000'000;                      ///< in a history
inline constexpr std::uint64_t kMaxUnixSeconds = std::uint64_t{1} << 40;  ///< of a time in a status

}  // namespace consilium::wire
