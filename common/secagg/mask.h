#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "common/crypto/secret_bytes.h"
#include "common/error/error.h"

/// Masks. A mask is the keystream of a key, AES-256-CTR with a zero IV (NIST SP 800-38A), read as little-endian words
/// and added modulo 2^32. A key must never mask more than one vector: two vectors under one key reveal their
/// difference.
namespace consilium::secagg {

/// One mask in a sum: its key of 32 bytes, and whether it is subtracted instead of added.
struct MaskTerm {
  crypto::SecretBytes key;
  bool subtract = false;
};

/// Adds masks to a vector that is passed in pieces of any size, from front to back. All terms are added to one chunk
/// before the next, so that the chunk stays in cache. Use from one thread at a time; movable.
class Masker {
 public:
  ~Masker();
  Masker(Masker&&) noexcept;
  Masker& operator=(Masker&&) noexcept;

  /// Begins at word `first_word` of the vector. Fails with kInvalidArgument if a key doesn't have 32 bytes. The keys
  /// may be destroyed after the call.
  static Result<Masker> create(std::span<const MaskTerm> terms, std::uint64_t first_word = 0);
  /// Masks the words that follow those of the last call.
  Result<void> add(std::span<std::uint32_t> words);

 private:
  struct State;
  explicit Masker(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Masks `words`, which begin at word `first_word` of a vector, with up to `threads` threads. The result doesn't depend
/// on the number of threads.
Result<void> add_masks(std::span<const MaskTerm> terms, std::uint64_t first_word, std::span<std::uint32_t> words,
                       unsigned threads = 1);

}  // namespace consilium::secagg
