#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"

/// A site's own vector of one sum on its disk, sealed with AES-256-CTR under a key that only the site can derive. Every
/// attempt at the sum masks exactly these words: if two attempts over different vectors could be unmasked, their
/// difference would be revealed. The file is 16 bytes of initial counter, then the words, little-endian. Its integrity
/// is protected by the SHA-256 of the words in the ledger.
namespace consilium::masking {

/// Receives the words of a vector piece by piece, from front to back; it may change them.
using WordSink = std::function<Result<void>(std::span<std::uint32_t>)>;

/// Seals the words that `write` passes to its argument into `file`, which is replaced.
/// @param count  number of words
/// @return SHA-256 of the words, unsealed
/// Errors: those of `write`; kInternal or kResourceExhausted if the file can't be written. The file is removed then.
Result<crypto::Digest> seal_vector(const std::filesystem::path& file, const crypto::SecretBytes& key,
                                   std::uint64_t count, const std::function<Result<void>(const WordSink&)>& write);

/// Passes the words of a sealed vector to `sink`, in pieces that fit in the cache. Nothing of them may be sent before
/// the call has returned, because only then have they been verified against the digest.
/// @param digest  SHA-256 of the words, as seal_vector() returned it
/// kDataLoss if the file is missing, has another size, or holds other words.
Result<void> open_vector(const std::filesystem::path& file, const crypto::SecretBytes& key, std::uint64_t count,
                         const crypto::Digest& digest, const WordSink& sink);

}  // namespace consilium::masking
