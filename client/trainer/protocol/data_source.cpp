#include "client/trainer/protocol/data_source.h"

#include <algorithm>
#include <array>

namespace consilium::trainer {
namespace {

// The only list of types. A new reader (client/trainer/data/readers.cpp) needs an entry here.
constexpr std::array kTypes{
    DataType{.name = "npz", .arrays = true},
    DataType{.name = "idx", .arrays = true, .folder = true},
    DataType{.name = "image_folder", .folder = true, .labels = true},
    DataType{.name = "table", .folder = true, .labels = true},
    DataType{.name = "dicom", .folder = true, .labels = true},
    DataType{.name = "nifti", .folder = true, .labels = true},
};

}  // namespace

std::span<const DataType> data_types() { return kTypes; }

const DataType* find_data_type(std::string_view name) {
  const auto* const found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const DataType& t) { return t.name == name; });
  return found == kTypes.end() ? nullptr : found;
}

std::string data_type_names() {
  std::string names;
  for (std::size_t i = 0; i < kTypes.size(); ++i) {
    names += i == 0 ? "" : (i + 1 == kTypes.size() ? " or " : ", ");
    names += kTypes[i].name;
  }
  return names;
}

}  // namespace consilium::trainer
