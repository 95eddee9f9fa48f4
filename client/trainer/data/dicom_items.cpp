#include "client/trainer/data/dicom_items.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "client/trainer/data/dataset_folder.h"
#include "client/trainer/data/file_items.h"
#include "client/trainer/data/label_table.h"

namespace consilium::data {
namespace {

using LabelMatch = trainer::LabelSource::Match;

/// A file and what its header says.
struct Slice {
  std::string name;
  std::filesystem::path path;
  DecodedImage header;
  double position = 0.0;
};

/// How far a plane lies along its normal, in mm.
double position_of(const DecodedImage& header) {
  const auto& a = header.affine;
  const std::array<double, 3> normal{a[4] * a[9] - a[8] * a[5], a[8] * a[1] - a[0] * a[9], a[0] * a[5] - a[4] * a[1]};
  const double length = std::hypot(normal[0], normal[1], normal[2]);
  return length == 0.0 ? 0.0 : (normal[0] * a[3] + normal[1] * a[7] + normal[2] * a[11]) / length;
}

std::string_view key_of(const Slice& slice, LabelMatch match) {
  switch (match) {
    case LabelMatch::kPatient:
      return slice.header.tags.patient_id;
    case LabelMatch::kStudy:
      return slice.header.tags.study_uid;
    case LabelMatch::kSeries:
      return slice.header.tags.series_uid;
    case LabelMatch::kImage:
      return slice.header.tags.sop_uid;
    case LabelMatch::kFile:
      break;
  }
  return slice.name;
}

/// Whether the slices have one position each; a cine or a localiser hasn't, and can't be sorted.
bool positions_differ(const std::vector<Slice>& slices) {
  for (std::size_t i = 1; i < slices.size(); ++i) {
    if (!slices[i].header.has_position || !(slices[i].position > slices[i - 1].position)) return false;
  }
  return slices[0].header.has_position;
}

class DicomLister {
 public:
  DicomLister(const trainer::DataSource& source, const DatasetFolder& folder, const LabelTable& labels)
      : source_(source), folder_(folder), labels_(labels) {}

  Result<Collection> list(std::shared_ptr<ImageDecoder> decoder) {
    collection_.kind = labels_.kind();
    collection_.classes = labels_.classes();
    auto images = std::make_shared<FileImages>(std::move(decoder));
    collection_.images = images;
    CONSILIUM_ASSIGN(const std::vector<std::string> names, folder_.list("", {}));
    const LabelMatch match = source_.labels.match;
    const bool each_file = match == LabelMatch::kFile || match == LabelMatch::kImage;
    std::map<std::string, std::vector<Slice>> series;
    for (const std::string& name : names) {
      if (is_other(name)) continue;
      auto header = images->file(folder_.path() / name, {.header_only = true});
      if (!header) {
        if (header.error().code == ErrorCode::kFailedPrecondition) return fail(header.error());
        collection_.left_out.push_back({name, header.error().message});
        continue;
      }
      Slice slice{name, folder_.path() / name, std::move(*header), 0.0};
      slice.position = position_of(slice.header);
      if (each_file || slice.header.tags.series_uid.empty() || slice.header.shape.size() != 3) {
        std::vector<Slice> alone;
        alone.push_back(std::move(slice));
        add(alone);
      } else {
        series[slice.header.tags.series_uid].push_back(std::move(slice));
      }
    }
    for (auto& [uid, slices] : series) add_series(slices);
    std::sort(collection_.items.begin(), collection_.items.end(),
              [](const Item& a, const Item& b) { return a.id < b.id; });
    return finished(std::move(collection_), labels_);
  }

 private:
  [[nodiscard]] bool is_other(const std::string& name) const {
    const trainer::LabelSource& labels = source_.labels;
    return name == labels.table || name == labels.boxes || std::filesystem::path(name).filename() == "DICOMDIR" ||
           (!labels.masks.empty() && name.starts_with(labels.masks + "/"));
  }

  void add_series(std::vector<Slice>& slices) {
    std::sort(slices.begin(), slices.end(), [](const Slice& a, const Slice& b) {
      return std::pair(a.position, std::string_view(a.name)) < std::pair(b.position, std::string_view(b.name));
    });
    if (slices.size() > 1 && !positions_differ(slices)) {
      collection_.left_out.push_back(
          {slices[0].name, fmt::format("the {} files of its series don't say a different position each: they can't be "
                                       "sorted into a volume; match labels by image or file instead",
                                       slices.size())});
      return;
    }
    add(slices);
  }

  void add(const std::vector<Slice>& slices) {
    const Slice& first = slices[0];
    Item item;
    item.id = slices.size() == 1 ? first.name : std::filesystem::path(first.name).parent_path().generic_string();
    if (slices.size() > 1)
      item.id = fmt::format("{} ({} slices from {})", item.id, slices.size(),
                            std::filesystem::path(first.name).filename().string());
    item.patient = first.header.tags.patient_id;
    for (const Slice& slice : slices) item.files.push_back(slice.path);
    if (source_.split.folders) {
      const auto split = split_named(first.name.substr(0, first.name.find('/')));
      if (!split) return collection_.left_out.push_back({item.id, "lies in none of the folders train, val and test"});
      item.split = *split;
    }
    if (const auto labelled = labels_.label(key_of(first, source_.labels.match), first.name, item); !labelled)
      return collection_.left_out.push_back({item.id, labelled.error().message, true});
    collection_.items.push_back(std::move(item));
  }

  const trainer::DataSource& source_;
  const DatasetFolder& folder_;
  const LabelTable& labels_;
  Collection collection_;
};

}  // namespace

Result<Collection> list_dicom(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder) {
  CONSILIUM_ASSIGN(const DatasetFolder folder, DatasetFolder::open(source.path));
  CONSILIUM_ASSIGN(const LabelTable labels, LabelTable::read(folder, source));
  return DicomLister(source, folder, labels).list(std::move(decoder));
}

}  // namespace consilium::data
