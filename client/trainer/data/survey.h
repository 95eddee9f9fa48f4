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

/// A minimum and a maximum; empty if no value was added.
struct Range {
  double low = 0.0;
  double high = 0.0;
  bool seen = false;
  void add(double value);
};

/// The contents of a data set, only for the people at the site.
struct Survey {
  struct Split {
    std::uint64_t items = 0;
    std::uint64_t patients = 0;  ///< an item without a patient counts as one
    std::vector<std::uint64_t>
        class_items;  ///< items of the class; labels: items that have it; masks and boxes: items that show it
    std::vector<std::uint64_t> class_parts;  ///< masks: number of pixels; boxes: number of boxes; else empty
  };

  TargetKind kind = TargetKind::kClass;
  std::vector<std::string> classes;                           ///< names, if the classes have names
  std::array<Split, 3> splits;                                ///< train, val, test
  std::map<std::vector<std::int64_t>, std::uint64_t> shapes;  ///< items of each shape, [C, H, W] or [C, D, H, W]
  std::array<Range, 3> spacing;                               ///< mm along D, H, W, of the items that state it
  std::uint64_t without_spacing = 0;
  Range values;  ///< of pixels, as decoded
  /// Two items with equal images, and whether they are in different splits.
  struct Equal {
    std::string first;
    std::string second;
    bool across_splits = false;
  };
  std::vector<Equal> equal;
  std::vector<LeftOut> left_out;  ///< unreadable files, and files without a label
};

/// Reads every file of a listed data set.
/// @param threads  number of decoding threads
Survey survey(const Collection& collection, const trainer::DataSource& source, unsigned threads);

}  // namespace consilium::data
