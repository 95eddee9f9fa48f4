#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/trainer/data/byte_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// A zip file open for reading. Entries must be stored or deflated; they may be neither encrypted nor repeated. Not
/// thread-safe.
class ZipArchive {
 public:
  static Result<ZipArchive> open(const std::filesystem::path& file);
  ~ZipArchive();
  ZipArchive(ZipArchive&&) noexcept;
  ZipArchive& operator=(ZipArchive&&) noexcept;

  [[nodiscard]] bool contains(const std::string& entry) const;
  /// Returns the names of the entries, sorted.
  [[nodiscard]] std::vector<std::string> names() const;
  /// Returns the declared uncompressed size of an entry, which must exist. Fails if its compressed bytes can't hold
  /// that much, or if the entry is encrypted or compressed in another way.
  [[nodiscard]] Result<std::uint64_t> size_of(const std::string& entry) const;
  /// Opens an entry, which must exist. The archive must outlive the returned source.
  [[nodiscard]] Result<std::unique_ptr<ByteSource>> open_entry(const std::string& entry) const;

 private:
  struct Handle;
  explicit ZipArchive(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> handle_;
};

}  // namespace consilium::data
