#pragma once

#include <exception>
#include <string_view>

#include "common/error/error.h"

namespace consilium::trainer {

/// Converts an exception from LibTorch or the allocator into an Error: kResourceExhausted if memory ran out, otherwise
/// kInternal. Call it inside a catch block.
/// @param doing what was being done, e.g. "round 3"
[[nodiscard]] Error error_of_exception(std::string_view doing);

/// Runs `work` (returning a Result) and converts LibTorch's exceptions into Errors.
template <class Work>
auto without_exceptions(std::string_view doing, Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception&) {
    return fail(error_of_exception(doing));
  }
}

}  // namespace consilium::trainer
