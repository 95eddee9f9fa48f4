#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

#include "client/trainer/data/loader.h"
#include "client/trainer/task/learning_task.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// Examples of a step.
struct Batch {
  at::Tensor images;  ///< [n, input...] float32
  Target target;      ///< on the same device
};

/// The examples of one split, by their numbers.
class ExampleSource {
 public:
  virtual ~ExampleSource() = default;
  [[nodiscard]] virtual std::int64_t size() const = 0;
  /// Says whose each row is: patients are numbered from 0 without gaps, in the order of their first rows. A row of
  /// which nothing says whose it is counts as a patient of its own.
  [[nodiscard]] virtual std::vector<std::uint32_t> patients() const;
  /// Says which rows will be asked for next, and in which order; a source that reads from disk then reads ahead.
  /// @param draw  what random changes of the examples are drawn from
  virtual void begin(const data::Draw& draw, std::span<const std::int64_t> order) const = 0;
  /// Whether an example is a whole image for a network whose input is a window of it. Then batch() takes one row, and
  /// each side of its image is at least the network's; an image that was smaller was padded: its mask lies in the
  /// middle, one nearer to the beginning where the padding is odd.
  [[nodiscard]] virtual bool are_whole() const { return false; }
  /// Gathers rows, normalised, on the device. Fails where an example can't be read any more; the message names no file.
  /// @param rows  indices in [0, size())
  [[nodiscard]] virtual Result<Batch> batch(std::span<const std::int64_t> rows) const = 0;
};

}  // namespace consilium::trainer
