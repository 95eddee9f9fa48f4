#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

#include "client/trainer/data/loader.h"
#include "client/trainer/task/learning_task.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// The examples of one step.
struct Batch {
  at::Tensor images;  ///< [n, input...] float32
  Target target;      ///< on the same device as the images
};

/// The examples of one split, by number.
class ExampleSource {
 public:
  virtual ~ExampleSource() = default;
  [[nodiscard]] virtual std::int64_t size() const = 0;
  /// Returns the patient of each row. Patients are numbered from 0 without gaps, in the order of their first rows. A
  /// row without a known patient counts as a patient of its own.
  [[nodiscard]] virtual std::vector<std::uint32_t> patients() const;
  /// Announces which rows will be requested next, and in which order, so that a source on disk can read ahead.
  /// @param draw  determines the examples' augmentation
  virtual void begin(const data::Draw& draw, std::span<const std::int64_t> order) const = 0;
  /// Returns true if an example is a whole image, and the network's input is a window of it. Then batch() accepts only
  /// one row, and each side of its image is at least the network's. A smaller image is padded; its mask isn't, and
  /// belongs in the middle, one nearer to the beginning if the padding is odd.
  [[nodiscard]] virtual bool are_whole() const { return false; }
  /// Gathers rows, normalised, on the device. Fails if an example can no longer be read; the message names no file.
  /// @param rows  indices in [0, size())
  [[nodiscard]] virtual Result<Batch> batch(std::span<const std::int64_t> rows) const = 0;
};

}  // namespace consilium::trainer
