#pragma once

#include <exception>
#include <string_view>

#include "common/error/error.h"

namespace consilium::trainer {

/// Turns what LibTorch or the allocator threw into an Error: kResourceExhausted for memory that ran out, kInternal
/// otherwise. Call inside a catch block. @param doing what was going on, e.g. "round 3"
[[nodiscard]] Error error_of_exception(std::string_view doing);

/// Runs `work` (returning a Result) with LibTorch's exceptions turned into Errors.
template <class Work>
auto without_exceptions(std::string_view doing, Work&& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception&) {
    return fail(error_of_exception(doing));
  }
}

}  // namespace consilium::trainer
