#pragma once

#include <filesystem>
#include <memory>

#include "common/files/descriptor.h"
#include "coordinator/round/site_gateway.h"

namespace consilium::coordinator {

/// Reads a vector from the spool file that it was uploaded to. The destructor removes the file.
class SpooledWords final : public round::WordSource {
 public:
  static Result<std::unique_ptr<SpooledWords>> open(const std::filesystem::path& file);
  ~SpooledWords() override;
  SpooledWords(const SpooledWords&) = delete;
  SpooledWords& operator=(const SpooledWords&) = delete;

  [[nodiscard]] std::uint64_t word_count() const override { return word_count_; }
  Result<void> read(std::span<std::uint32_t> words) override;

 private:
  SpooledWords(std::filesystem::path file, files::Descriptor descriptor, std::uint64_t word_count)
      : file_(std::move(file)), descriptor_(std::move(descriptor)), word_count_(word_count) {}

  std::filesystem::path file_;
  files::Descriptor descriptor_;
  std::uint64_t word_count_;
};

}  // namespace consilium::coordinator
