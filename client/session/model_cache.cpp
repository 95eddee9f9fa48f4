#include "client/session/model_cache.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <system_error>
#include <utility>
#include <vector>

namespace consilium::session {
namespace {

/// Global models kept on disk: the current one and the one before it.
constexpr std::size_t kCachedModels = 2;

}  // namespace

std::filesystem::path ModelCache::file_of(const crypto::Digest& model) const { return folder_ / crypto::to_hex(model); }

Result<void> ModelCache::read(const std::filesystem::path& file, std::span<std::byte> out) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return fail(ErrorCode::kInternal, file.string() + ": " + std::strerror(errno));
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count = ::read(descriptor, out.data() + done, out.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  ::close(descriptor);
  if (done == out.size()) return {};
  return fail(ErrorCode::kDataLoss, fmt::format("{}: expected {} bytes, found {}", file.string(), out.size(), done));
}

Result<void> ModelCache::keep(const crypto::Digest& model, std::span<const std::byte> bytes) const {
  const std::filesystem::path file = file_of(model);
  const std::filesystem::path part = file.string() + ".new";
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  out.close();
  std::error_code problem;
  if (out) std::filesystem::rename(part, file, problem);
  if (out && !problem) return {};
  std::filesystem::remove(part, problem);
  return fail(ErrorCode::kResourceExhausted, fmt::format("{}: cannot be written; is the disk full?", file.string()));
}

void ModelCache::prune(const crypto::Digest& keep) const {
  std::error_code ignored;
  const std::filesystem::path kept = file_of(keep);
  std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    if (entry.path() != kept) files.emplace_back(entry.last_write_time(ignored), entry.path());
  }
  std::ranges::sort(files, std::greater<>());
  for (std::size_t i = kCachedModels - 1; i < files.size(); ++i) std::filesystem::remove(files[i].second, ignored);
}

}  // namespace consilium::session
