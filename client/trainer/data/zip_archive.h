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

/// A zip file open for reading. Entries are stored or deflated, neither encrypted nor repeated. Not thread-safe.
class ZipArchive {
 public:
  static Result<ZipArchive> open(const std::filesystem::path& file);
  ~ZipArchive();
  ZipArchive(ZipArchive&&) noexcept;
  ZipArchive& operator=(ZipArchive&&) noexcept;

  [[nodiscard]] bool contains(const std::string& entry) const;
  /// Names of the entries, sorted.
  [[nodiscard]] std::vector<std::string> names() const;
  /// Returns the declared size of an entry that is there, inflated. Fails where it is more than its compressed bytes
  /// can hold, or the entry is encrypted or compressed in another way.
  [[nodiscard]] Result<std::uint64_t> size_of(const std::string& entry) const;
  /// Opens an entry that is there; the archive must outlive what is returned.
  [[nodiscard]] Result<std::unique_ptr<ByteSource>> open_entry(const std::string& entry) const;

 private:
  struct Handle;
  explicit ZipArchive(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> handle_;
};

}  // namespace consilium::data
