#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "common/crypto/secret_bytes.h"
#include "common/error/error.h"

/// Masks: a key's keystream, AES-256-CTR with a zero IV (NIST SP 800-38A), taken as little-endian words and added
/// modulo 2^32. A key masks one vector, ever: two vectors under one key reveal their difference.
namespace consilium::secagg {

/// One mask of a sum: its key of 32 bytes, and whether it is taken away instead of added.
struct MaskTerm {
  crypto::SecretBytes key;
  bool subtract = false;
};

/// Adds masks to a vector that passes by from front to back, whatever the pieces. All terms are added to one chunk
/// before the next, so that it stays in cache. One thread at a time; movable.
class Masker {
 public:
  ~Masker();
  Masker(Masker&&) noexcept;
  Masker& operator=(Masker&&) noexcept;

  /// Begins at word `first_word` of the vector. kInvalidArgument where a key has not 32 bytes. The keys may go at once.
  static Result<Masker> create(std::span<const MaskTerm> terms, std::uint64_t first_word = 0);
  /// Masks the words that follow those of the last call.
  Result<void> add(std::span<std::uint32_t> words);

 private:
  struct State;
  explicit Masker(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Masks `words`, the ones from `first_word` on of a vector, with up to `threads` threads; the result is the same for
/// any number of them.
Result<void> add_masks(std::span<const MaskTerm> terms, std::uint64_t first_word, std::span<std::uint32_t> words,
                       unsigned threads = 1);

}  // namespace consilium::secagg
