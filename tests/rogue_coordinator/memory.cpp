#include "tests/rogue_coordinator/memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace consilium::rogue {
namespace {

/// Reads the readable pages, and omits those that can't be read (guards, devices).
std::string read_range(int memory, std::uint64_t begin, std::uint64_t end) {
  constexpr std::size_t kPiece = 1 << 16;
  std::string bytes;
  for (std::uint64_t at = begin; at < end; at += kPiece) {
    std::string piece(std::min<std::uint64_t>(kPiece, end - at), '\0');
    const ssize_t count = ::pread(memory, piece.data(), piece.size(), static_cast<off_t>(at));
    if (count <= 0) continue;
    piece.resize(static_cast<std::size_t>(count));
    bytes += piece;
  }
  return bytes;
}

}  // namespace

std::vector<Region> memory_of(pid_t pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  const int memory = ::open((folder + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  if (memory < 0) throw std::runtime_error(folder + "/mem can't be read");
  std::ifstream maps(folder + "/smaps");
  std::vector<Region> regions;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::string range, access, skipped, name;
    words >> range >> access >> skipped >> skipped >> skipped >> name;
    if (const std::size_t dash = range.find('-'); dash != std::string::npos && range.back() != ':') {
      Region region{name.empty() ? range : name, true, ""};
      if (access[0] == 'r') {
        region.bytes = read_range(memory, std::stoull(range.substr(0, dash), nullptr, 16),
                                  std::stoull(range.substr(dash + 1), nullptr, 16));
      }
      regions.push_back(std::move(region));
    } else if (range == "VmFlags:" && !regions.empty()) {
      regions.back().in_dumps = (" " + line + " ").find(" dd ") == std::string::npos;  // "do not dump"
    }
  }
  ::close(memory);
  return regions;
}

std::vector<std::string> regions_with(const std::vector<Region>& memory, const std::string& bytes,
                                      bool in_dumps_alone) {
  std::vector<std::string> names;
  for (const Region& region : memory) {
    if (in_dumps_alone && !region.in_dumps) continue;
    if (region.bytes.find(bytes) != std::string::npos) names.push_back(region.name);
  }
  return names;
}

}  // namespace consilium::rogue
