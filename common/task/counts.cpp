#include "common/task/counts.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>

namespace consilium::task {

Result<Counts> Counts::cut(const std::vector<encoding::Field>& fields, std::span<const std::uint64_t> values) {
  std::uint64_t elements = 0;
  for (const encoding::Field& field : fields) elements += field.elements;
  if (values.size() != elements)
    return contradiction(fmt::format("{} numbers, expected the task's {}", values.size(), elements));
  Counts counts;
  counts.fields_ = &fields;
  counts.values_ = values;
  return counts;
}

std::span<const std::uint64_t> Counts::of(std::string_view name) const {
  std::size_t first = 0;
  for (const encoding::Field& field : *fields_) {
    if (field.name == name) return values_.subspan(first, field.elements);
    first += field.elements;
  }
  return {};
}

std::span<const std::uint64_t> Counts::row(std::string_view name, std::size_t row, std::size_t rows) const {
  const auto all = of(name);
  const std::size_t size = all.size() / rows;
  return all.subspan(row * size, size);
}

Result<std::uint64_t> total(std::span<const std::uint64_t> counts) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : counts) {
    if (__builtin_add_overflow(sum, count, &sum)) return contradiction("a sum exceeds 64 bits");
  }
  return sum;
}

tl::unexpected<Error> contradiction(const std::string& what) {
  return fail(ErrorCode::kDataLoss, "evaluation counts: " + what);
}

Result<void> check_at_most(std::uint64_t count, std::uint64_t most, std::string_view what) {
  if (count <= most) return {};
  return contradiction(fmt::format("{}: expected at most {}, found {}", what, most, count));
}

Result<void> check_unit_sum(std::uint64_t sum, std::uint64_t count, std::string_view what) {
  // Each addend is at most 1, rounded to a whole number of units.
  if (count > (~std::uint64_t{0} >> 20) || sum <= count << 20) return {};
  return contradiction(
      fmt::format("{}: {} values of at most 1 can't add up to {:.6g}", what, count, static_cast<double>(sum) / kUnit));
}

}  // namespace consilium::task
