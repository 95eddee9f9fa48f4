#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

namespace consilium::rogue {

/// A stretch of another process's memory, as it was.
struct Region {
  std::string name;       ///< "[heap]", a file, or its address
  bool in_dumps = false;  ///< a core dump would have it
  std::string bytes;
};

/// Copies all that a process can read of its own. Throws where it may not be looked at.
[[nodiscard]] std::vector<Region> memory_of(pid_t pid);
/// The names of the regions that hold these bytes.
[[nodiscard]] std::vector<std::string> regions_with(const std::vector<Region>& memory, const std::string& bytes,
                                                    bool in_dumps_alone = false);

}  // namespace consilium::rogue
