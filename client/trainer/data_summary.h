#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/trainer/data/target.h"
#include "client/trainer/protocol/messages.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// A summary of a data set, made without a model to match it with.
struct DataSummary {
  struct Split {
    std::string name;
    std::uint64_t examples = 0;
    std::vector<std::uint64_t> class_examples;  ///< examples of each class, with each label, or whose mask shows it
  };
  std::vector<std::int64_t> input;  ///< the shape to use as model.input
  std::int64_t classes = 0;         ///< largest label + 1, or the number of labels
  bool bytes = false;               ///< values are uint8 and must be divided by 255
  std::vector<Split> splits;        ///< train, val, test
  data::TargetKind target = data::TargetKind::kClass;
};

/// Reads a data set of whole arrays and counts its examples. The shape follows from the training images
/// (data::model_input_of). Fails as read_dataset() does.
Result<DataSummary> summarise(const DataSource& source);

}  // namespace consilium::trainer
