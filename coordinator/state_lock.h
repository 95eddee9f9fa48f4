#pragma once

#include <filesystem>
#include <utility>

#include "common/error/error.h"
#include "common/files/descriptor.h"

namespace consilium::coordinator {

/// Claims a state folder for this process, until the object is destroyed or the process ends. Two coordinators that
/// share a folder would assign the same job id twice, and would remove each other's models.
class StateLock {
 public:
  /// Locks `<folder>/lock` (flock) and writes this process's id into it. Fails with kFailedPrecondition if another
  /// process holds the lock; the message names that process.
  static Result<StateLock> acquire(const std::filesystem::path& folder);

 private:
  explicit StateLock(files::Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
  files::Descriptor descriptor_;
};

}  // namespace consilium::coordinator
