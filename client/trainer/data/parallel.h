#pragma once

#include <cstddef>
#include <functional>

namespace consilium::data {

/// Calls `work(i)` for each i below `count`, on as many threads, the caller's among them; returns when all are done.
/// Which thread does what is not determined, so `work` writes to places of its own.
void for_each_index(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& work);

}  // namespace consilium::data
