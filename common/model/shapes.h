#pragma once

#include <span>
#include <string>

#include "common/error/error.h"
#include "common/model/model_spec.h"

namespace consilium::model {

/// Fills in the sizes that follow from the shapes of an operation's inputs, and returns the shape of its output. Fails
/// with kInvalidArgument if the inputs don't fit or a number is out of range.
/// @param inputs  shapes of the operation's inputs, at least one
Result<Shape> derive(Operation& operation, std::span<const Shape> inputs);

/// Checks that an example has at most kMaxActivations values.
Result<void> check_size(const Shape& shape);

/// Returns "[3, 28, 28]".
[[nodiscard]] std::string text(const Shape& shape);

}  // namespace consilium::model
