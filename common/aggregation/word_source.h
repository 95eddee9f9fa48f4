#pragma once

#include <cstdint>
#include <span>

#include "common/error/error.h"

namespace consilium::aggregation {

/// The words of one site's vector, wherever they are stored (spool file, memory). Read once, front to back.
class WordSource {
 public:
  virtual ~WordSource() = default;
  [[nodiscard]] virtual std::uint64_t word_count() const = 0;
  /// Fills `words` with the next words. Fails with kDataLoss if fewer are left.
  virtual Result<void> read(std::span<std::uint32_t> words) = 0;
};

/// Words in memory that another object owns.
class MemoryWords final : public WordSource {
 public:
  explicit MemoryWords(std::span<const std::uint32_t> words) : words_(words), left_(words) {}
  [[nodiscard]] std::uint64_t word_count() const override { return words_.size(); }
  Result<void> read(std::span<std::uint32_t> words) override;

 private:
  std::span<const std::uint32_t> words_;
  std::span<const std::uint32_t> left_;
};

}  // namespace consilium::aggregation
