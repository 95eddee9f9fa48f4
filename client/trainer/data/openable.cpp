#include "client/trainer/data/openable.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "client/trainer/data/dataset_folder.h"
#include "client/trainer/data/label_table.h"
#include "client/trainer/data/readers.h"
#include "client/trainer/protocol/channel.h"

namespace consilium::data {
namespace {

Result<void> open_once(const std::filesystem::path& file, const std::string& name) {
  const trainer::Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (opened) return {};
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}: cannot open the file: {}", name, std::strerror(errno)));
}

Result<void> open_arrays(const Reader& reader, const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path, ignored)) CONSILIUM_TRY(open_once(path, path.filename().string()));
  for (std::filesystem::directory_iterator entry(path, ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    std::error_code unknown;
    if (entry->is_regular_file(unknown)) CONSILIUM_TRY(open_once(entry->path(), entry->path().filename().string()));
  }
  CONSILIUM_TRY(reader.array_shape(path));
  return {};
}

Result<void> open_images(const trainer::DataSource& source) {
  CONSILIUM_ASSIGN(const DatasetFolder folder, DatasetFolder::open(source.path));
  CONSILIUM_TRY(LabelTable::read(folder, source));
  CONSILIUM_ASSIGN(const std::vector<std::string> names, folder.list("", {}));
  if (names.empty()) return fail(ErrorCode::kNotFound, "the folder holds no file");
  for (const std::string& name : names) CONSILIUM_TRY(open_once(folder.path() / name, name));
  return {};
}

}  // namespace

Result<void> open_every_file(const trainer::DataSource& source) {
  CONSILIUM_ASSIGN(const Reader* const reader, reader_of(source));
  auto opened = reader->array_shape != nullptr ? open_arrays(*reader, source.path) : open_images(source);
  if (!opened) return fail(opened.error().within(source.path));
  return {};
}

}  // namespace consilium::data
