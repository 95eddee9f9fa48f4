#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

#include "common/error/error.h"

namespace consilium::files {

/// Owns a file descriptor and closes it.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor() { close(); }

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void close();

 private:
  int fd_ = -1;
};

/// Builds the error of the system call that has just failed: "FILE: cannot DOING: reason". Reads errno: kNotFound,
/// kAlreadyExists, kPermissionDenied, kResourceExhausted (disk or quota full), else kInternal.
[[nodiscard]] Error system_error(const std::filesystem::path& file, std::string_view doing);

/// Opens a regular file for reading. A pipe or a device in its place doesn't block, and is kInvalidArgument.
Result<Descriptor> open_regular(const std::filesystem::path& file);

/// Makes an empty file without a name in a folder, open for reading and writing: nobody else can open it by a path, and
/// the kernel frees it once nobody has it open. Fails with kNotFound, kPermissionDenied or kFailedPrecondition naming
/// the folder, the last where its file system knows no such files.
Result<Descriptor> make_nameless_file(const std::filesystem::path& folder);

/// Returns the size of an open file.
/// @param file  names it in errors
Result<std::uint64_t> size_of(const Descriptor& descriptor, const std::filesystem::path& file);

/// Reads from the descriptor's position until the buffer is full or the file ends; returns the bytes read.
Result<std::size_t> read_some(const Descriptor& descriptor, std::span<std::byte> buffer,
                              const std::filesystem::path& file);
/// As read_some(), from an offset; the position stays.
Result<std::size_t> read_at(const Descriptor& descriptor, std::uint64_t offset, std::span<std::byte> buffer,
                            const std::filesystem::path& file);
/// Writes all the bytes at the descriptor's position.
Result<void> write_all(const Descriptor& descriptor, std::span<const std::byte> bytes,
                       const std::filesystem::path& file);

}  // namespace consilium::files
