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

/// Builds the error of the system call that has just failed: "FILE: cannot DOING: reason". Translates errno to
/// kNotFound, kAlreadyExists, kPermissionDenied, kResourceExhausted (disk or quota full), or else kInternal.
[[nodiscard]] Error system_error(const std::filesystem::path& file, std::string_view doing);

/// What to do with a path that is a symbolic link. Only the path's last part counts.
enum class Links : std::uint8_t { kFollow, kRefuse };

/// Opens a regular file for reading. Fails with kInvalidArgument, and without blocking, if it is a pipe or a device, or
/// a symbolic link that `links` refuses.
Result<Descriptor> open_regular(const std::filesystem::path& file, Links links = Links::kFollow);

/// Creates an empty file without a name in a folder, open for reading and writing. Nobody else can open it by a path,
/// and the kernel frees it once it's no longer open anywhere. Fails with kNotFound or kPermissionDenied, or with
/// kFailedPrecondition if the folder's file system doesn't support such files; the message names the folder.
Result<Descriptor> make_nameless_file(const std::filesystem::path& folder);

/// Returns the size of an open file.
/// @param file  its name in error messages
Result<std::uint64_t> size_of(const Descriptor& descriptor, const std::filesystem::path& file);

/// Reads from the descriptor's position until the buffer is full or the file ends; returns the bytes read.
Result<std::size_t> read_some(const Descriptor& descriptor, std::span<std::byte> buffer,
                              const std::filesystem::path& file);
/// Reads like read_some(), but from an offset; the descriptor's position doesn't change.
Result<std::size_t> read_at(const Descriptor& descriptor, std::uint64_t offset, std::span<std::byte> buffer,
                            const std::filesystem::path& file);
/// Writes all the bytes at the descriptor's position.
Result<void> write_all(const Descriptor& descriptor, std::span<const std::byte> bytes,
                       const std::filesystem::path& file);

}  // namespace consilium::files
