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

/// What stands behind a vector's words as it is, e.g. a masked tag; `write` fills it once all words are written.
struct VectorTail {
  std::size_t words = 0;
  std::function<Result<void>(std::span<std::uint32_t>)> write{};
};

/// A site's masked vector in a file of its own: what was sent once is sent again as it was, never computed again. The
/// words that it hides are never in the file, nor together in memory. Move-only; the file stays until the ledger
/// forgets its session.
class MaskedVector {
 public:
  using WordSink = std::function<Result<void>(std::span<std::uint32_t>)>;

  /// Masks the words that `write` gives to its argument, front to back and piece by piece, on their way to `file`.
  /// @param count    how many words there will be
  /// @param threads  that mask a piece, where it is large enough for several
  /// Errors: those of `write`; kInternal where the file can't be written. The file is then gone.
  /// @param tail     none by default
  static Result<MaskedVector> create(const std::filesystem::path& file, std::uint64_t count,
                                     std::span<const secagg::MaskTerm> masks,
                                     const std::function<Result<void>(const WordSink&)>& write, unsigned threads = 1,
                                     const VectorTail& tail = {});
  MaskedVector(MaskedVector&& other) noexcept;
  MaskedVector& operator=(MaskedVector&&) = delete;
  ~MaskedVector();

  [[nodiscard]] std::span<const std::uint32_t> words() const { return words_; }
  /// SHA-256 of the words as they lie in the file, little-endian.
  [[nodiscard]] const crypto::Digest& digest() const { return digest_; }

 private:
  explicit MaskedVector(std::span<std::uint32_t> words) : words_(words) {}

  std::span<std::uint32_t> words_;  ///< the file, mapped
  crypto::Digest digest_{};
};

}  // namespace consilium::masking
