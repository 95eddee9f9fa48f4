#include "client/trainer/predict/output_folder.h"

#include <spdlog/fmt/fmt.h>

#include <system_error>
#include <utility>

#include "client/trainer/data/dataset_folder.h"
#include "common/files/files.h"

namespace consilium::predict {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kWaitingBytes = std::size_t{64} << 10;

Result<void> make_folders(const fs::path& folder) {
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (!problem && fs::is_directory(folder, problem)) return {};
  return fail(ErrorCode::kPermissionDenied,
              fmt::format("{}: cannot make the folder: {}", folder.string(), problem.message()));
}

}  // namespace

Result<OutputFolder> OutputFolder::create(const fs::path& folder, bool force) {
  std::error_code problem;
  if (fs::exists(folder, problem) && !fs::is_directory(folder, problem))
    return fail(ErrorCode::kInvalidArgument, folder.string() + ": isn't a folder; name a folder with --output");
  CONSILIUM_TRY(make_folders(folder));
  if (!force && !fs::is_empty(folder, problem))
    return fail(ErrorCode::kInvalidArgument,
                folder.string() + ": the folder isn't empty; name another folder, or write into this one with --force");
  return OutputFolder(folder);
}

std::string OutputFolder::name_for(std::string_view subfolder, const std::string& image, std::string_view ending) {
  const fs::path below = fs::path(subfolder) / fs::path(image).parent_path();
  const std::string stem = data::stem_of(image), whole = fs::path(image).filename().string();
  std::string name = (below / (stem + std::string(ending))).generic_string();
  if (taken_.contains(name)) name = (below / (whole + std::string(ending))).generic_string();
  for (int number = 2; taken_.contains(name); ++number)
    name = (below / fmt::format("{}.{}{}", whole, number, ending)).generic_string();
  taken_.insert(name);
  return name;
}

Result<void> OutputFolder::write(const std::string& name, std::span<const std::byte> bytes) const {
  const fs::path file = folder_ / name;
  CONSILIUM_TRY(make_folders(file.parent_path()));
  return files::replace_file(file, bytes, files::Access::kUmask);
}

Result<GrowingFile> GrowingFile::create(const fs::path& file) {
  CONSILIUM_ASSIGN(files::AtomicFile made, files::AtomicFile::create_beside(file, files::Access::kUmask));
  return GrowingFile(std::move(made), file);
}

Result<void> GrowingFile::append(std::string_view text) {
  waiting_ += text;
  return waiting_.size() < kWaitingBytes ? Result<void>() : flush();
}

Result<void> GrowingFile::flush() {
  CONSILIUM_TRY(file_.write(std::as_bytes(std::span(waiting_))));
  waiting_.clear();
  return {};
}

Result<void> GrowingFile::finish() {
  CONSILIUM_TRY(flush());
  CONSILIUM_TRY(file_.sync());
  return file_.rename_to(path_);
}

}  // namespace consilium::predict
