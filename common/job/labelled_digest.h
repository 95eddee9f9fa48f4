#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "common/crypto/sha256.h"

namespace consilium::job {

/// SHA-256 over a label and a record, each after its length as 8 bytes, little-endian: digests of different kinds of
/// record never meet.
[[nodiscard]] crypto::Digest labelled_digest(std::string_view label, std::span<const std::byte> record);

}  // namespace consilium::job
