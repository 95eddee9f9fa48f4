#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/trainer/protocol/messages.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// What lies in a data set, without a model to match it with.
struct DataSummary {
  struct Split {
    std::string name;
    std::uint64_t examples = 0;
    std::vector<std::uint64_t> class_examples;  ///< one a class
  };
  std::vector<std::int64_t> input;  ///< for model.input
  std::int64_t classes = 0;         ///< largest label + 1
  bool bytes = false;               ///< uint8, to be divided by 255
  std::vector<Split> splits;        ///< train, val, test
};

/// Names the source by what lies at `path`: a folder is idx, a file npz.
[[nodiscard]] DataSource source_at(const std::string& path);

/// Reads a data set whole and counts. The shape follows from the training images: N x H x W is [1, H, W]; N x H x W x C
/// with C of 1, 3 or 4 is [C, H, W]. Errors as read_dataset().
Result<DataSummary> summarise(const DataSource& source);

}  // namespace consilium::trainer
