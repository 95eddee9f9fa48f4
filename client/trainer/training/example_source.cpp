#include "client/trainer/training/example_source.h"

#include <numeric>

namespace consilium::trainer {

std::vector<std::uint32_t> ExampleSource::patients() const {
  std::vector<std::uint32_t> own(static_cast<std::size_t>(size()));
  std::iota(own.begin(), own.end(), 0U);
  return own;
}

}  // namespace consilium::trainer
