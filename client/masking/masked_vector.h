#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/secagg/mask.h"

namespace consilium::masking {

/// Words that follow a vector unmasked, e.g. an already masked tag. `write` fills them in once all words of the vector
/// are written.
struct VectorTail {
  std::size_t words = 0;
  std::function<Result<void>(std::span<std::uint32_t>)> write{};
};

/// A site's masked vector in its own file. A retransmission sends the same bytes; the vector is never computed again.
/// The words that it hides are never in the file, nor all in memory at the same time. Move-only; the destructor
/// unmaps the file but doesn't remove it.
class MaskedVector {
 public:
  using WordSink = std::function<Result<void>(std::span<std::uint32_t>)>;

  /// Masks the words that `write` passes to its argument, from front to back and piece by piece, on their way to
  /// `file`.
  /// @param count    number of words
  /// @param threads  number of threads that mask a piece, if it is large enough for several
  /// @param tail     none by default
  /// Errors: those of `write`; kInternal if the file can't be written. The file is removed then.
  static Result<MaskedVector> create(const std::filesystem::path& file, std::uint64_t count,
                                     std::span<const secagg::MaskTerm> masks,
                                     const std::function<Result<void>(const WordSink&)>& write, unsigned threads = 1,
                                     const VectorTail& tail = {});
  MaskedVector(MaskedVector&& other) noexcept;
  MaskedVector& operator=(MaskedVector&&) = delete;
  ~MaskedVector();

  [[nodiscard]] std::span<const std::uint32_t> words() const { return words_; }
  /// Returns the SHA-256 of the words as they lie in the file, little-endian.
  [[nodiscard]] const crypto::Digest& digest() const { return digest_; }

 private:
  explicit MaskedVector(std::span<std::uint32_t> words) : words_(words) {}

  std::span<std::uint32_t> words_;  ///< the memory-mapped file
  crypto::Digest digest_{};
};

}  // namespace consilium::masking
