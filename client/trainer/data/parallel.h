#pragma once

#include <cstddef>
#include <functional>

namespace consilium::data {

/// Calls `work(i)` for each i below `count` on up to `threads` threads, one of which is the caller's, and returns when
/// all calls are done. Which thread makes which call isn't determined, so each call must write to memory of its own.
void for_each_index(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work);

}  // namespace consilium::data
