#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "client/trainer/data/volume.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"

namespace consilium::trainer {

/// The job's own normalisation (`data.normalize`), which is applied to an image last, before the network.
class InputScale {
 public:
  /// Fails with kInvalidArgument if the job has neither one mean and std nor one for each channel.
  /// @param input  the model's
  static Result<InputScale> create(const std::optional<job::Normalization>& normalize,
                                   const std::vector<std::int64_t>& input);

  /// Writes an image's normalised values to the network's input.
  /// @param to  as many floats as the image has values
  void write(const data::Volume& image, float* to) const;

 private:
  std::vector<float> mean_{0.0F};
  std::vector<float> deviation_{1.0F};
};

}  // namespace consilium::trainer
