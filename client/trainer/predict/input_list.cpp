#include "client/trainer/predict/input_list.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "client/trainer/data/dataset_folder.h"
#include "client/trainer/data/dicom_series.h"

namespace consilium::predict {
namespace {

namespace fs = std::filesystem;
using data::DicomSlice;

constexpr std::array<std::string_view, 9> kOtherFormats{".png", ".jpg",    ".jpeg", ".tif", ".tiff",
                                                        ".nii", ".nii.gz", ".npy",  ".npz"};
constexpr std::array<std::string_view, 6> kDicomEndings{".dcm", ".dicom", ".ima", ".img", ".dcm.gz", ".dic"};

enum class Kind { kDicom, kOther, kNone };

/// Returns the kind of a file, judged by its name.
Kind kind_of(const std::string& path) {
  std::string name = fs::path(path).filename().string();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(c < 0x80 ? std::tolower(c) : c); });
  const auto ends = [&](std::string_view ending) { return name.ends_with(ending); };
  if (name == "dicomdir") return Kind::kNone;
  if (std::ranges::any_of(kOtherFormats, ends)) return Kind::kOther;
  if (std::ranges::any_of(kDicomEndings, ends)) return Kind::kDicom;
  const std::string extension = fs::path(name).extension().string();
  const bool digits = std::all_of(extension.begin(), extension.end(),
                                  [](unsigned char c) { return c == '.' || (c >= '0' && c <= '9'); });
  return digits ? Kind::kDicom : Kind::kNone;
}

class Lister {
 public:
  Lister(InputList& list, const data::FileImages& images) : list_(list), images_(images) {}

  void add(const std::string& name, bool series) {
    const Kind kind = kind_of(name);
    if (kind == Kind::kNone) return list_.skipped.push_back({name, "its name isn't that of an image"});
    if (kind == Kind::kOther || !series) return add_item(name, {list_.folder / name});
    auto header = images_.file(list_.folder / name, {.header_only = true});
    if (!header) return list_.damaged.push_back({name, header.error().message});
    DicomSlice slice = data::slice_at(name, list_.folder / name, std::move(*header));
    const std::string uid = slice.header.tags.series_uid;
    if (uid.empty() || slice.header.shape.size() != 3) return add_item(name, {slice.path});
    // Slices of another size form a separate series, because some scanners put a localiser into the same one.
    const auto& shape = slice.header.shape;
    series_[fmt::format("{}/{}x{}", uid, shape[1], shape[2])].push_back(std::move(slice));
  }

  void add_series() {
    for (auto& [uid, slices] : series_) {
      if (!data::sort_series(slices)) {
        for (const DicomSlice& slice : slices) add_item(slice.name, {slice.path});
        continue;
      }
      std::vector<fs::path> files;
      for (const DicomSlice& slice : slices) files.push_back(slice.path);
      add_item(slices.front().name, std::move(files));
    }
    series_.clear();
  }

 private:
  void add_item(std::string name, std::vector<fs::path> files) {
    data::Item item;
    item.id = std::move(name);
    item.files = std::move(files);
    list_.items.push_back(std::move(item));
  }

  InputList& list_;
  const data::FileImages& images_;
  std::map<std::string, std::vector<DicomSlice>> series_;
};

}  // namespace

Result<InputList> list_inputs(const fs::path& input, bool series, const data::FileImages& images) {
  std::error_code ignored;
  InputList list;
  std::vector<std::string> names;
  if (fs::is_directory(input, ignored)) {
    CONSILIUM_ASSIGN(const auto folder, data::DatasetFolder::open(input));
    CONSILIUM_ASSIGN(names, folder.list("", {}));
    list.folder = folder.path();
    Lister lister(list, images);
    for (const std::string& name : names) lister.add(name, series);
    lister.add_series();
  } else {
    if (!fs::is_regular_file(input, ignored))
      return fail(ErrorCode::kNotFound, input.string() + ": no such file or folder");
    const fs::path file = fs::canonical(input, ignored);
    list.folder = file.parent_path();
    data::Item& item = list.items.emplace_back();
    item.id = input.filename().string();
    item.files = {file};
  }
  std::sort(list.items.begin(), list.items.end(), [](const data::Item& a, const data::Item& b) { return a.id < b.id; });
  if (list.items.empty() && list.damaged.empty())
    return fail(
        ErrorCode::kNotFound,
        fmt::format(
            "{}: holds no image; expected .png, .jpg, .tif, .nii, .nii.gz, .npy or DICOM files, found {} other file{}",
            input.string(), list.skipped.size(), list.skipped.size() == 1 ? "" : "s"));
  return list;
}

}  // namespace consilium::predict
