#pragma once

#include <cstdint>
#include <vector>

#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Returns true where the bytes begin as gzip's do.
[[nodiscard]] bool is_gzip(Bytes file);

/// Unpacks a gzip file of one or several members. Fails with kInvalidArgument for broken or truncated ones, with
/// kResourceExhausted beyond `max_bytes`.
Result<std::vector<std::uint8_t>> gunzip(Bytes file, std::uint64_t max_bytes);

/// Unpacks at most the first `max_bytes`; what is broken behind them isn't noticed.
Result<std::vector<std::uint8_t>> gunzip_beginning(Bytes file, std::uint64_t max_bytes);

}  // namespace consilium::decode
