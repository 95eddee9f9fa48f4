#pragma once

#include <span>
#include <string>

#include "common/error/error.h"
#include "common/model/model_spec.h"

namespace consilium::model {

/// Fills in what follows from the shapes of an operation's inputs, and returns its output's. Fails with
/// kInvalidArgument where they don't fit, or one of its numbers is out of range.
/// @param inputs  as many as it has; not empty
Result<Shape> derive(Operation& operation, std::span<const Shape> inputs);

/// Checks that an example has no more than kMaxActivations values.
Result<void> check_size(const Shape& shape);

/// "[3, 28, 28]".
[[nodiscard]] std::string text(const Shape& shape);

}  // namespace consilium::model
