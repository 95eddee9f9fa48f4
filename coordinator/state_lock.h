#pragma once

#include <filesystem>
#include <utility>

#include "common/error/error.h"
#include "common/files/descriptor.h"

namespace consilium::coordinator {

/// Claims a state folder for this process, until the object or the process ends. Two coordinators that share a folder
/// would give the same job id twice, and remove each other's models.
class StateLock {
 public:
  /// Locks `<folder>/lock` (flock) and writes this process's id into it. kFailedPrecondition where another process
  /// holds it; the message names that process.
  static Result<StateLock> acquire(const std::filesystem::path& folder);

 private:
  explicit StateLock(files::Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
  files::Descriptor descriptor_;
};

}  // namespace consilium::coordinator
