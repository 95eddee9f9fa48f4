#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/trainer/data/target.h"
#include "client/trainer/protocol/messages.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// What lies in a data set, without a model to match it with.
struct DataSummary {
  struct Split {
    std::string name;
    std::uint64_t examples = 0;
    std::vector<std::uint64_t> class_examples;  ///< examples of each class, with each label, or whose mask has it
  };
  std::vector<std::int64_t> input;  ///< for model.input
  std::int64_t classes = 0;         ///< largest label + 1, or the number of labels
  bool bytes = false;               ///< uint8, to be divided by 255
  std::vector<Split> splits;        ///< train, val, test
  data::TargetKind target = data::TargetKind::kClass;
};

/// Reads a data set of whole arrays and counts. The shape follows from the training images (data::model_input_of).
/// Errors as read_dataset().
Result<DataSummary> summarise(const DataSource& source);

}  // namespace consilium::trainer
