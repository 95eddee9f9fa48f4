#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"

/// A site's own vector of one sum on its disk, sealed with AES-256-CTR under a key that only the site can derive. Every
/// attempt at the sum masks these words and no others: two openable attempts over two vectors would show their
/// difference. The file is 16 bytes of initial counter, then the words, little-endian; its integrity is the ledger's
/// SHA-256 of the words.
namespace consilium::masking {

/// Takes the words of a vector piece by piece, front to back; it may change them.
using WordSink = std::function<Result<void>(std::span<std::uint32_t>)>;

/// Seals the words that `write` gives to its argument into `file`, which is replaced.
/// @param count  how many words there will be
/// @return SHA-256 of the words, unsealed
/// Errors: those of `write`; kInternal or kResourceExhausted where the file can't be written. The file is then gone.
Result<crypto::Digest> seal_vector(const std::filesystem::path& file, const crypto::SecretBytes& key,
                                   std::uint64_t count, const std::function<Result<void>(const WordSink&)>& write);

/// Gives the words of a sealed vector to `sink`, in pieces that stay in cache. Nothing of them may leave before the
/// call has returned: only then is their digest known to fit.
/// @param digest  SHA-256 of the words, as seal_vector() returned it
/// kDataLoss where the file is missing, has another size, or holds other words.
Result<void> open_vector(const std::filesystem::path& file, const crypto::SecretBytes& key, std::uint64_t count,
                         const crypto::Digest& digest, const WordSink& sink);

}  // namespace consilium::masking
