#include "client/trainer/data/dataset_folder.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace consilium::data {
namespace {

namespace fs = std::filesystem;

bool has_extension(std::string name, const std::vector<std::string_view>& extensions) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return static_cast<char>(letter < 0x80 ? std::tolower(letter) : letter); });
  return extensions.empty() || std::any_of(extensions.begin(), extensions.end(),
                                           [&](std::string_view extension) { return name.ends_with(extension); });
}

bool lies_in(const fs::path& path, const fs::path& root) {
  const auto [rest, ignored] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return rest == root.end();
}

/// Returns true if a path is a link to a file, in a folder below the root. Such a link may lead anywhere, as
/// git-annex's links do. Under a daemon, the client decides which targets its trainer can open.
bool may_lead_out(const fs::path& path, const fs::path& root) {
  std::error_code ignored;
  return fs::is_symlink(path, ignored) && fs::is_regular_file(path, ignored) &&
         lies_in(fs::canonical(path.parent_path(), ignored), root);
}

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

}  // namespace

Result<DatasetFolder> DatasetFolder::open(const fs::path& folder) {
  std::error_code problem;
  fs::path root = fs::canonical(folder, problem);
  if (problem || !fs::is_directory(root, problem))
    return fail(ErrorCode::kNotFound, fmt::format("{}: no such folder", folder.string()));
  return DatasetFolder(std::move(root));
}

Result<fs::path> DatasetFolder::resolve(std::string_view name) const {
  const fs::path relative(name);
  const bool up = std::any_of(relative.begin(), relative.end(), [](const fs::path& part) { return part == ".."; });
  if (name.empty() || name.find('\0') != std::string_view::npos || relative.is_absolute() || up)
    return fail(ErrorCode::kInvalidArgument, "expected a path below the data set's folder, without '..'");
  std::error_code problem;
  fs::path found = fs::canonical(root_ / relative, problem);
  if (problem) return fail(ErrorCode::kNotFound, fmt::format("{}: no such file", relative.string()));
  if (lies_in(found, root_) || may_lead_out(root_ / relative, root_)) return found;
  return fail(ErrorCode::kPermissionDenied,
              "a link to a folder leads out of the data set's folder; only links to single files may do that");
}

Result<std::vector<std::string>> DatasetFolder::list(std::string_view below,
                                                     const std::vector<std::string_view>& extensions) const {
  fs::path start = root_;
  if (!below.empty()) {
    CONSILIUM_ASSIGN(start, resolve(below));
  }
  std::vector<std::string> names;
  std::error_code problem;
  for (fs::recursive_directory_iterator entry(start, problem), end; !problem && entry != end;
       entry.increment(problem)) {
    if (hidden(entry->path())) {
      entry.disable_recursion_pending();
      continue;
    }
    if (entry.depth() >= kMaxDepth)
      return fail(ErrorCode::kResourceExhausted,
                  fmt::format("{}: folders are nested more than {} deep", root_.string(), kMaxDepth));
    std::error_code ignored;
    if (!entry->is_regular_file(ignored) || !has_extension(entry->path().filename().string(), extensions)) continue;
    if (names.size() == kMaxFiles)
      return fail(ErrorCode::kResourceExhausted, fmt::format("{}: more than {} files", root_.string(), kMaxFiles));
    names.push_back(entry->path().lexically_relative(root_).generic_string());
  }
  if (problem)
    return fail(ErrorCode::kNotFound, fmt::format("{}: cannot read the folder: {}", start.string(), problem.message()));
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<std::string>> DatasetFolder::folders(std::string_view below) const {
  fs::path start = root_;
  if (!below.empty()) {
    CONSILIUM_ASSIGN(start, resolve(below));
  }
  std::vector<std::string> names;
  std::error_code problem, ignored;
  for (fs::directory_iterator entry(start, problem), end; !problem && entry != end; entry.increment(problem)) {
    if (entry->is_directory(ignored) && !entry->is_symlink(ignored) && !hidden(entry->path()))
      names.push_back(entry->path().filename().string());
    if (names.size() > kMaxFiles) break;
  }
  if (problem)
    return fail(ErrorCode::kNotFound, fmt::format("{}: cannot read the folder: {}", start.string(), problem.message()));
  std::sort(names.begin(), names.end());
  return names;
}

std::string stem_of(std::string_view name) {
  std::string file = fs::path(name).filename().string();
  if (file.ends_with(".gz")) file.resize(file.size() - 3);
  return fs::path(file).stem().string();
}

}  // namespace consilium::data
