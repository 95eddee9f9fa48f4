#include "client/trainer/data/readers.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "client/trainer/data/array_items.h"
#include "client/trainer/data/dicom_items.h"
#include "client/trainer/data/file_items.h"
#include "client/trainer/data/idx_reader.h"
#include "client/trainer/data/npz_reader.h"
#include "client/trainer/data/split.h"

namespace consilium::data {
namespace {

constexpr std::array kReaders{
    Reader{"npz", list_array_items, read_npz, npz_shape},
    Reader{"idx", list_array_items, read_idx, idx_shape},
    Reader{"image_folder", list_image_folder, nullptr, nullptr},
    Reader{"table", list_table, nullptr, nullptr},
    Reader{"dicom", list_dicom, nullptr, nullptr},
    Reader{"nifti", list_nifti, nullptr, nullptr},
};

}  // namespace

std::span<const Reader> readers() { return kReaders; }

Result<const Reader*> reader_of(const trainer::DataSource& source) {
  const auto* const found =
      std::find_if(kReaders.begin(), kReaders.end(), [&](const Reader& reader) { return reader.type == source.type; });
  if (found != kReaders.end()) return found;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}: expected type {}, found '{}'", source.path, trainer::data_type_names(), source.type));
}

Result<Collection> list_items(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder) {
  CONSILIUM_ASSIGN(const Reader* const reader, reader_of(source));
  auto listed = reader->list(source, std::move(decoder));
  if (!listed) return fail(listed.error().within(source.path));
  if (trainer::find_data_type(source.type)->labels) {
    if (source.split.column.empty() && !source.split.folders) split_by_patient(listed->items, source.split);
    if (auto checked = check_patients(listed->items); !checked) return fail(checked.error().within(source.path));
  }
  return listed;
}

trainer::DataSource source_at(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) return {.type = "npz", .path = path.string()};
  const bool idx = std::filesystem::exists(path / "train-images-idx3-ubyte", ignored) ||
                   std::filesystem::exists(path / "train-images-idx3-ubyte.gz", ignored);
  return {.type = idx ? "idx" : "image_folder", .path = path.string()};
}

Result<std::vector<std::int64_t>> model_input_of(const std::vector<std::uint64_t>& array_shape) {
  std::vector<std::int64_t> sides;
  for (std::size_t i = 1; i < array_shape.size(); ++i)
    sides.push_back(static_cast<std::int64_t>(std::min<std::uint64_t>(array_shape[i], std::uint64_t{1} << 40U)));
  const bool colour = !sides.empty() && (sides.back() == 1 || sides.back() == 3 || sides.back() == 4);
  if (sides.size() == 1) return sides;
  if (sides.size() == 2) return std::vector{std::int64_t{1}, sides[0], sides[1]};
  if (sides.size() == 3 && colour) return std::vector{sides[2], sides[0], sides[1]};
  if (sides.size() == 3 && (sides[0] == 1 || sides[0] == 3 || sides[0] == 4)) return sides;
  if (sides.size() == 3) return std::vector{std::int64_t{1}, sides[0], sides[1], sides[2]};
  if (sides.size() == 4) return colour ? std::vector{sides[3], sides[0], sides[1], sides[2]} : sides;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("train_images: expected 2 to 5 dimensions, found {}", array_shape.size()));
}

}  // namespace consilium::data
