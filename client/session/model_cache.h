#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "common/crypto/sha256.h"
#include "common/error/error.h"

namespace consilium::session {

/// The global models that a site keeps on its disk, each in a file named by its SHA-256: the last few that it fetched
/// or computed. Only load() verifies that a file is the model that its name states.
class ModelCache {
 public:
  /// @param folder  must exist
  explicit ModelCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  [[nodiscard]] std::filesystem::path file_of(const crypto::Digest& model) const;
  /// Reads a whole model and verifies its digest, because an interrupted transfer or a power failure may have left
  /// other bytes under its name. kNotFound if the file doesn't exist, kDataLoss if it holds another model or is shorter
  /// than `out`.
  Result<void> load(const crypto::Digest& model, std::span<std::byte> out) const;
  /// Reads the first words of any file in the folder, without verifying them. kNotFound if the file doesn't exist,
  /// kDataLoss if it is shorter than `out`.
  static Result<void> read(const std::filesystem::path& file, std::span<std::byte> out);
  /// Stores a model in the cache under its own name. kResourceExhausted if the disk is full.
  Result<void> keep(const crypto::Digest& model, std::span<const std::byte> bytes) const;
  /// Removes all models except this one and the newest of the others.
  void prune(const crypto::Digest& keep) const;
  /// Makes room for a transfer into `file` in this folder: removes everything except it and the two newest other files.
  /// A coordinator that breaks off transfers again and again then can't fill the disk.
  void make_room(const std::filesystem::path& file) const;

 private:
  void keep_newest(const std::filesystem::path& file, std::size_t others) const;

  std::filesystem::path folder_;
};

}  // namespace consilium::session
