#include "client/trainer/data/file_items.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "client/trainer/data/numpy_image.h"

namespace consilium::data {
namespace {

constexpr std::int64_t kMaxSlices = 1 << 16;

std::string parent_name(const std::string& name) {
  return std::filesystem::path(name).parent_path().filename().string();
}

/// Returns the patient that a file's name or folder gives.
std::string patient_of(const std::string& name, const trainer::SplitSource& split) {
  if (split.patient_folder) return parent_name(name);
  if (split.patient_before.empty()) return {};
  const std::string stem = stem_of(name);
  const std::size_t end = stem.find(split.patient_before);
  return end == std::string::npos ? std::string() : stem.substr(0, end);
}

/// Removes the first folder from a name and returns it.
std::string take_folder(std::string& name) {
  const std::size_t end = name.find('/');
  if (end == std::string::npos) return {};
  std::string folder = name.substr(0, end);
  name.erase(0, end + 1);
  return folder;
}

/// Stacks slices of the same shape along a new axis D.
Result<DecodedImage> stack(std::vector<DecodedImage> slices) {
  DecodedImage volume = std::move(slices[0]);
  const std::vector<std::int64_t> shape = volume.shape;
  const auto depth = static_cast<std::int64_t>(slices.size());
  if (shape.size() != 3) return refuse("a slice of a series holds several frames");
  const auto channels = static_cast<std::size_t>(shape[0]);
  for (std::size_t i = 1; i < slices.size(); ++i) {
    if (slices[i].shape != shape || slices[i].pixels.index() != volume.pixels.index())
      return refuse(fmt::format("slice {} has another size or pixel type than slice 1", i + 1));
  }
  volume.shape = {shape[0], depth, shape[1], shape[2]};
  std::visit(
      [&](auto& first) {
        using Vector = std::remove_reference_t<decltype(first)>;
        const std::size_t plane = first.size() / channels;
        if (plane == 0) return;
        Vector whole(first.size() * slices.size());
        for (std::size_t slice = 0; slice < slices.size(); ++slice) {
          const Vector& from = slice == 0 ? first : std::get<Vector>(slices[slice].pixels);
          for (std::size_t c = 0; c < channels; ++c)
            std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(c * plane), plane,
                        whole.begin() + static_cast<std::ptrdiff_t>((c * slices.size() + slice) * plane));
        }
        first = std::move(whole);
      },
      volume.pixels);
  return volume;
}

/// Returns what a segmentation of the volume refers to: all the files, plane by plane. Returns nothing if one of them
/// isn't DICOM.
std::optional<FileOrigin> origin_of_series(const std::vector<DecodedImage>& slices) {
  constexpr std::uint32_t kInstance = 0x00080018;
  std::optional<FileOrigin> origin;
  for (const DecodedImage& slice : slices) {
    const auto* own = slice.origin ? std::get_if<DicomSource>(&*slice.origin) : nullptr;
    if (own == nullptr || own->frames.size() != 1) return std::nullopt;
    const auto instance = own->attributes.find(kInstance);
    if (instance == own->attributes.end()) return std::nullopt;
    if (!origin) {
      origin = *own;
      std::get<DicomSource>(*origin).frames.clear();
    }
    auto& whole = std::get<DicomSource>(*origin);
    whole.frames.push_back({1, own->frames[0].position, instance->second});
    if (whole.orientation != own->orientation) whole.orientation.reset();
  }
  return origin;
}

/// Sets the distance between slices from the positions of the first and the last one.
void set_depth_spacing(DecodedImage& volume, const DecodedImage& last) {
  if (!volume.has_position || !last.has_position || volume.shape[1] < 2) return;
  double squared = 0.0;
  for (const std::size_t row : {3U, 7U, 11U})
    squared += (last.affine[row] - volume.affine[row]) * (last.affine[row] - volume.affine[row]);
  const double distance = std::sqrt(squared) / static_cast<double>(volume.shape[1] - 1);
  if (distance > 0.0) volume.spacing[0] = distance;
}

void add_item(Collection& collection, const LabelTable& labels, Item item, std::string_view key) {
  if (const auto labelled = labels.label(key, item.id, item); !labelled) {
    collection.left_out.push_back({item.id, labelled.error().message, true});
    return;
  }
  collection.items.push_back(std::move(item));
}

/// Returns the class of a folder's name; if no names are given, its index in their order.
Result<std::size_t> class_of(const std::string& folder, const std::vector<std::string>& classes) {
  const auto found = std::find(classes.begin(), classes.end(), folder);
  if (found != classes.end()) return static_cast<std::size_t>(found - classes.begin());
  return fail(ErrorCode::kNotFound,
              fmt::format("its folder '{}' isn't one of the classes: {}", folder, fmt::join(classes, ", ")));
}

/// Returns true if a file holds labels rather than an image.
bool is_label_file(const std::string& name, const trainer::LabelSource& labels) {
  return name == labels.table || name == labels.boxes ||
         (!labels.masks.empty() && name.starts_with(labels.masks + "/"));
}

Result<Collection> list_files(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder,
                              const std::vector<std::string_view>& extensions, bool class_folders) {
  CONSILIUM_ASSIGN(const DatasetFolder folder, DatasetFolder::open(source.path));
  CONSILIUM_ASSIGN(const LabelTable labels, LabelTable::read(folder, source));
  CONSILIUM_ASSIGN(const std::vector<std::string> names, folder.list("", extensions));
  const bool by_folder = class_folders && labels.kind() == TargetKind::kClass && !labels.has_table();
  Collection collection;
  collection.kind = labels.kind();
  collection.classes = labels.classes();
  collection.images = std::make_shared<FileImages>(std::move(decoder));
  if (by_folder && collection.classes.empty()) {
    std::set<std::string> found;
    for (std::string name : names) {
      if (source.split.folders) take_folder(name);
      if (std::string label = take_folder(name); !label.empty()) found.insert(std::move(label));
    }
    collection.classes.assign(found.begin(), found.end());
  }
  for (const std::string& name : names) {
    if (is_label_file(name, source.labels)) continue;
    Item item{.id = name,
              .origin = {},
              .patient = patient_of(name, source.split),
              .split = job::Split::kTrain,
              .target = ClassLabel{},
              .files = {folder.path() / name},
              .row = 0};
    std::string rest = name;
    if (source.split.folders) {
      const auto split = split_named(take_folder(rest));
      if (!split) {
        collection.left_out.push_back({name, "is in none of the folders train, val and test", true});
        continue;
      }
      item.split = *split;
    }
    if (by_folder) {
      const auto label = class_of(take_folder(rest), collection.classes);
      if (!label) {
        collection.left_out.push_back({name, label.error().message, true});
        continue;
      }
      item.target = ClassLabel{static_cast<std::uint16_t>(*label)};
    }
    add_item(collection, labels, std::move(item), name);
  }
  return finished(std::move(collection), labels);
}

}  // namespace

Result<DecodedImage> FileImages::file(const std::filesystem::path& path, const DecodeOptions& options) const {
  if (is_numpy(path)) return decode_numpy(path, options);
  if (decoder_ != nullptr) return decoder_->decode(path, options);
  return fail(ErrorCode::kFailedPrecondition, path.string() + ": no decoder of images is running");
}

Result<DecodedImage> FileImages::image(const Item& item, const DecodeOptions& options) const {
  if (item.files.size() == 1) return file(item.files[0], options);
  if (item.files.empty() || std::cmp_greater(item.files.size(), kMaxSlices))
    return refuse(fmt::format("expected 1 to {} slices, found {}", kMaxSlices, item.files.size()));
  std::vector<DecodedImage> slices;
  DecodeOptions rest = options;
  for (const auto& path : item.files) {
    CONSILIUM_ASSIGN(DecodedImage slice, file(path, rest));
    const std::uint64_t bytes = std::visit([](const auto& v) { return v.size() * sizeof(v[0]); }, slice.pixels);
    rest.max_bytes -= std::min(rest.max_bytes, bytes);
    slices.push_back(std::move(slice));
  }
  DecodedImage last;
  last.affine = slices.back().affine;
  last.has_position = slices.back().has_position;
  std::optional<FileOrigin> origin = origin_of_series(slices);
  auto volume = stack(std::move(slices));
  if (!volume) return fail(volume.error().within(item.id));
  volume->origin = options.origin ? std::move(origin) : std::nullopt;
  set_depth_spacing(*volume, last);
  return volume;
}

Result<DecodedImage> FileImages::mask(const Item& item, const DecodeOptions& options) const {
  const auto* mask = std::get_if<MaskFile>(&item.target);
  if (mask == nullptr) return fail(ErrorCode::kInternal, item.id + ": its target isn't a mask");
  DecodeOptions labels = options;
  labels.labels = true;
  return file(mask->file, labels);
}

Result<Collection> list_image_folder(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder) {
  return list_files(source, std::move(decoder), {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy"}, true);
}

Result<Collection> list_nifti(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder) {
  return list_files(source, std::move(decoder), {".nii", ".nii.gz"}, false);
}

Result<Collection> list_table(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder) {
  CONSILIUM_ASSIGN(const DatasetFolder folder, DatasetFolder::open(source.path));
  CONSILIUM_ASSIGN(const LabelTable labels, LabelTable::read(folder, source));
  Collection collection;
  collection.kind = labels.kind();
  collection.classes = labels.classes();
  collection.images = std::make_shared<FileImages>(std::move(decoder));
  for (const LabelTable::Row& row : labels.rows()) {
    auto file = folder.resolve(row.key);
    if (!file && file.error().code != ErrorCode::kNotFound)
      return fail(file.error().within(fmt::format("{}: column '{}'", row.origin, source.labels.key)));
    if (!file) {
      collection.left_out.push_back({row.key, fmt::format("{}: no such file", row.origin)});
      continue;
    }
    Item item{.id = row.key,
              .origin = row.origin,
              .patient = patient_of(row.key, source.split),
              .split = job::Split::kTrain,
              .target = row.target,
              .files = {*file},
              .row = 0};
    add_item(collection, labels, std::move(item), row.key);
  }
  return finished(std::move(collection), labels);
}

Result<Collection> finished(Collection collection, const LabelTable& labels) {
  if (!collection.items.empty()) return collection;
  std::string message = "holds no items with labels";
  if (!collection.left_out.empty())
    message += fmt::format("; {} were left out, the first, '{}': {}", collection.left_out.size(),
                           collection.left_out[0].id, collection.left_out[0].why);
  if (labels.has_table()) message += fmt::format("; the table has {} rows", labels.rows().size());
  return fail(ErrorCode::kNotFound, message);
}

}  // namespace consilium::data
