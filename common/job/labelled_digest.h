#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "common/crypto/sha256.h"

namespace consilium::job {

/// Returns the SHA-256 over a label and a record, each after its length as 8 bytes, little-endian. The label keeps the
/// digests of different kinds of record distinct.
[[nodiscard]] crypto::Digest labelled_digest(std::string_view label, std::span<const std::byte> record);

}  // namespace consilium::job
