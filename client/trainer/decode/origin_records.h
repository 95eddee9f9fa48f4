#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "client/trainer/data/file_origin.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Encodes the member `origin` of a decoder's answer (docs/formats/decoder_protocol.md).
[[nodiscard]] nlohmann::json origin_record(const data::FileOrigin& origin);

/// Parses the member `origin`, which is hostile input. Fails with kDataLoss for unknown attributes, texts with control
/// characters, numbers that aren't finite, axes that aren't three different ones, and more frames than
/// kMaxSourceFrames.
Result<data::FileOrigin> parse_origin(const nlohmann::json& record);

/// Returns true if an origin's voxels or frames are those of an image of this shape.
[[nodiscard]] bool is_origin_of(const data::FileOrigin& origin, const std::vector<std::int64_t>& shape);

}  // namespace consilium::decode
