#include "client/session/model_cache.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>
#include <system_error>
#include <utility>
#include <vector>

#include "common/files/atomic_file.h"
#include "common/files/files.h"

namespace consilium::session {
namespace {

/// Number of global models kept on disk: the current one and the previous one.
constexpr std::size_t kCachedModels = 2;

}  // namespace

std::filesystem::path ModelCache::file_of(const crypto::Digest& model) const { return folder_ / crypto::to_hex(model); }

Result<void> ModelCache::read(const std::filesystem::path& file, std::span<std::byte> out) {
  CONSILIUM_ASSIGN(const files::Descriptor descriptor, files::open_regular(file));
  CONSILIUM_ASSIGN(const std::size_t done, files::read_some(descriptor, out, file));
  if (done == out.size()) return {};
  return fail(ErrorCode::kDataLoss, fmt::format("{}: expected {} bytes, found {}", file.string(), out.size(), done));
}

Result<void> ModelCache::load(const crypto::Digest& model, std::span<std::byte> out) const {
  const std::filesystem::path file = file_of(model);
  CONSILIUM_TRY(read(file, out));
  if (const crypto::Digest found = crypto::sha256(out); found != model) {
    return fail(
        ErrorCode::kDataLoss,
        fmt::format("{}: expected the model with this SHA-256, found {}; the next attempt fetches the model again",
                    file.string(), crypto::to_hex(found)));  // check: model-digest
  }
  return {};
}

Result<void> ModelCache::keep(const crypto::Digest& model, std::span<const std::byte> bytes) const {
  const std::filesystem::path file = file_of(model);
  CONSILIUM_ASSIGN(files::AtomicFile fresh, files::AtomicFile::create_beside(file, files::Access::kOwner));
  CONSILIUM_TRY(fresh.write(bytes));
  return fresh.rename_unsynced(file);  // load() verifies the digest
}

void ModelCache::prune(const crypto::Digest& keep) const { keep_newest(file_of(keep), kCachedModels - 1); }

void ModelCache::make_room(const std::filesystem::path& file) const { keep_newest(file, kCachedModels); }

void ModelCache::keep_newest(const std::filesystem::path& file, std::size_t kept) const {
  std::error_code ignored;
  std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> others;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    if (entry.path() != file) others.emplace_back(entry.last_write_time(ignored), entry.path());
  }
  std::ranges::sort(others, std::greater<>());
  for (std::size_t i = kept; i < others.size(); ++i) std::filesystem::remove(others[i].second, ignored);
}

}  // namespace consilium::session
