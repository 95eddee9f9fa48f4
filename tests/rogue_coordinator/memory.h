#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

namespace consilium::rogue {

/// A snapshot of a region of another process's memory.
struct Region {
  std::string name;       ///< "[heap]", a file, or its address
  bool in_dumps = false;  ///< true if a core dump would contain it
  std::string bytes;
};

/// Copies all readable memory of a process. Throws if the process may not be read.
[[nodiscard]] std::vector<Region> memory_of(pid_t pid);
/// Returns the names of the regions that hold these bytes.
[[nodiscard]] std::vector<std::string> regions_with(const std::vector<Region>& memory, const std::string& bytes,
                                                    bool in_dumps_alone = false);

}  // namespace consilium::rogue
