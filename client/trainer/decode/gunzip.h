#pragma once

#include <cstdint>
#include <vector>

#include "client/trainer/decode/byte_span.h"
#include "common/error/error.h"

namespace consilium::decode {

/// Returns true if the bytes begin like a gzip file.
[[nodiscard]] bool is_gzip(Bytes file);

/// Decompresses a gzip file of one or several members. Fails with kInvalidArgument if it is broken or truncated, and
/// with kResourceExhausted beyond `max_bytes`.
Result<std::vector<std::uint8_t>> gunzip(Bytes file, std::uint64_t max_bytes);

/// Decompresses at most the first `max_bytes`. Errors after them aren't noticed.
Result<std::vector<std::uint8_t>> gunzip_beginning(Bytes file, std::uint64_t max_bytes);

}  // namespace consilium::decode
