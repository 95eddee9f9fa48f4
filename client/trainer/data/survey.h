#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/trainer/data/collection.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// Least and greatest of something; empty where nothing was seen.
struct Range {
  double low = 0.0;
  double high = 0.0;
  bool seen = false;
  void add(double value);
};

/// What lies in a data set: for the people at the site, and for them alone.
struct Survey {
  struct Split {
    std::uint64_t items = 0;
    std::uint64_t patients = 0;  ///< an item without a patient counts as one
    std::vector<std::uint64_t>
        class_items;  ///< class: items of it; labels: items that have it; masks and boxes: items that show it
    std::vector<std::uint64_t> class_parts;  ///< masks: pixels; boxes: boxes; else empty
  };

  TargetKind kind = TargetKind::kClass;
  std::vector<std::string> classes;                           ///< names, where they have names
  std::array<Split, 3> splits;                                ///< train, val, test
  std::map<std::vector<std::int64_t>, std::uint64_t> shapes;  ///< items by shape, [C, H, W] or [C, D, H, W]
  std::array<Range, 3> spacing;                               ///< mm along D, H, W, of the items that say theirs
  std::uint64_t without_spacing = 0;
  Range values;  ///< of pixels, as decoded
  /// Equal images: two items, and whether they are in two splits.
  struct Equal {
    std::string first;
    std::string second;
    bool across_splits = false;
  };
  std::vector<Equal> equal;
  std::vector<LeftOut> left_out;  ///< files that can't be read, and files without a label
};

/// Reads every file of a listed data set.
/// @param threads  that decode
Survey survey(const Collection& collection, const trainer::DataSource& source, unsigned threads);

}  // namespace consilium::data
