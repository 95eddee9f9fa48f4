#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "common/crypto/sha256.h"
#include "common/error/error.h"

namespace consilium::session {

/// The global models that a site keeps on its disk, each in a file named by its SHA-256: the last few that it fetched
/// or computed. load() alone says whether a file is the model that its name says.
class ModelCache {
 public:
  /// @param folder  exists
  explicit ModelCache(std::filesystem::path folder) : folder_(std::move(folder)) {}

  [[nodiscard]] std::filesystem::path file_of(const crypto::Digest& model) const;
  /// Reads a whole model and compares its digest: a transfer that broke off, or a power failure, may have left other
  /// bytes under its name. kNotFound where it isn't there, kDataLoss where it is another or shorter than `out`.
  Result<void> load(const crypto::Digest& model, std::span<std::byte> out) const;
  /// Reads the first words of any file of the folder, whatever they are. kNotFound where it isn't there, kDataLoss
  /// where it is shorter than `out`.
  static Result<void> read(const std::filesystem::path& file, std::span<std::byte> out);
  /// Puts a model into the cache under its own name. kResourceExhausted where the disk takes no more.
  Result<void> keep(const crypto::Digest& model, std::span<const std::byte> bytes) const;
  /// Removes all but this model and the newest of the others.
  void prune(const crypto::Digest& keep) const;
  /// Makes room for a transfer into `file` of this folder: removes all but it and the two newest of the others. What a
  /// coordinator breaks off, again and again, then fills no disk.
  void make_room(const std::filesystem::path& file) const;

 private:
  void keep_newest(const std::filesystem::path& file, std::size_t others) const;

  std::filesystem::path folder_;
};

}  // namespace consilium::session
