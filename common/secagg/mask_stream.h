#pragma once

#include <cstdint>

#include "common/crypto/aes_ctr.h"
#include "common/crypto/secret_bytes.h"
#include "common/error/error.h"

namespace consilium::secagg {

/// Begins the keystream of a mask at word `first_word` (4 bytes each). Fails with kInvalidArgument if the key doesn't
/// have 32 bytes.
Result<crypto::AesCtrStream> begin_mask(const crypto::SecretBytes& key, std::uint64_t first_word);

}  // namespace consilium::secagg
