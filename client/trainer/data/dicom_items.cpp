#include "client/trainer/data/dicom_items.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "client/trainer/data/dataset_folder.h"
#include "client/trainer/data/dicom_series.h"
#include "client/trainer/data/file_items.h"
#include "client/trainer/data/label_table.h"

namespace consilium::data {
namespace {

using LabelMatch = trainer::LabelSource::Match;

std::string_view key_of(const DicomSlice& slice, LabelMatch match) {
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
    std::map<std::string, std::vector<DicomSlice>> series;
    for (const std::string& name : names) {
      if (is_other(name)) continue;
      auto header = images->file(folder_.path() / name, {.header_only = true});
      if (!header) {
        if (header.error().code == ErrorCode::kFailedPrecondition) return fail(header.error());
        collection_.left_out.push_back({name, header.error().message});
        continue;
      }
      DicomSlice slice = slice_at(name, folder_.path() / name, std::move(*header));
      if (each_file || slice.header.tags.series_uid.empty() || slice.header.shape.size() != 3) {
        std::vector<DicomSlice> alone;
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

  void add_series(std::vector<DicomSlice>& slices) {
    if (!sort_series(slices)) {
      collection_.left_out.push_back(
          {slices[0].name, fmt::format("the {} files of its series don't each have a different position, so they can't "
                                       "be sorted into a volume; match labels by image or file instead",
                                       slices.size())});
      return;
    }
    add(slices);
  }

  void add(const std::vector<DicomSlice>& slices) {
    const DicomSlice& first = slices[0];
    Item item;
    item.id = name_of(slices);
    item.patient = first.header.tags.patient_id;
    for (const DicomSlice& slice : slices) item.files.push_back(slice.path);
    if (source_.split.folders) {
      const auto split = split_named(first.name.substr(0, first.name.find('/')));
      if (!split) return collection_.left_out.push_back({item.id, "is in none of the folders train, val and test"});
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
