#include "tests/unit/common/secagg/span.h"

#include <algorithm>

namespace consilium::secagg {

std::uint64_t Span::inverse(std::uint64_t element) const {  // element^(prime - 2)
  std::uint64_t result = 1;
  for (std::uint64_t exponent = prime_ - 2; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = result * element % prime_;
    element = element * element % prime_;
  }
  return result;
}

Span::Row Span::reduce(const Form& form) const {
  Row row(form.size());
  for (std::size_t i = 0; i < form.size(); ++i) row[i] = form[i] < 0 ? prime_ - 1 : static_cast<std::uint64_t>(form[i]);
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    const std::uint64_t factor = row[pivots_[r]];
    if (factor == 0) continue;
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = (row[i] + (prime_ - factor) * rows_[r][i]) % prime_;
  }
  return row;
}

bool Span::add(const Form& form) {
  Row row = reduce(form);
  const auto pivot = std::ranges::find_if(row, [](std::uint64_t element) { return element != 0; });
  if (pivot == row.end()) return false;
  const std::uint64_t scale = inverse(*pivot);
  pivots_.push_back(static_cast<std::size_t>(pivot - row.begin()));
  for (std::uint64_t& element : row) element = element * scale % prime_;
  rows_.push_back(std::move(row));
  return true;
}

bool Span::contains(const Form& form) const {
  return std::ranges::all_of(reduce(form), [](std::uint64_t element) { return element == 0; });
}

}  // namespace consilium::secagg
