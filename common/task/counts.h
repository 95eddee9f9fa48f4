#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/encoding/vector_layout.h"
#include "common/error/error.h"

namespace consilium::task {

/// The counts of one evaluation, of one site or summed over several, divided into the fields that the task declares.
/// It's a view: the fields and the counts must outlive it.
class Counts {
 public:
  /// Divides `values` into the fields. Fails with kDataLoss if their number isn't that of the fields' elements.
  static Result<Counts> cut(const std::vector<encoding::Field>& fields, std::span<const std::uint64_t> values);

  /// Returns a field's counts. They are empty if the task has no field of that name.
  [[nodiscard]] std::span<const std::uint64_t> of(std::string_view name) const;
  /// Returns the count of a field with exactly one element.
  [[nodiscard]] std::uint64_t one(std::string_view name) const { return of(name)[0]; }
  /// Returns one row of a field that consists of `rows` rows of the same size.
  [[nodiscard]] std::span<const std::uint64_t> row(std::string_view name, std::size_t row, std::size_t rows) const;

 private:
  const std::vector<encoding::Field>* fields_ = nullptr;
  std::span<const std::uint64_t> values_;
};

/// Returns the sum of the counts. Fails with kDataLoss if it exceeds 64 bits.
Result<std::uint64_t> total(std::span<const std::uint64_t> counts);

/// Builds the error for counts that no site can have counted: kDataLoss, "evaluation counts: ...".
[[nodiscard]] tl::unexpected<Error> contradiction(const std::string& what);

/// Checks that a count is at most `most`. The error names both.
Result<void> check_at_most(std::uint64_t count, std::uint64_t most, std::string_view what);

/// Unit of sums of real numbers that are transferred as counts: 2^-20. Each addend is rounded to the nearest unit.
inline constexpr double kUnit = 1048576.0;
/// Checks that `sum` is possible for the sum of `count` numbers of at most 1, each rounded to kUnit.
Result<void> check_unit_sum(std::uint64_t sum, std::uint64_t count, std::string_view what);

[[nodiscard]] inline double ratio(std::uint64_t part, std::uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

/// The mean of values that have error bounds.
class BoundedMean {
 public:
  void add(double value, double error = 0.0) {
    value_ += value;
    error_ += error;
    ++count_;
  }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] double value() const { return value_ / static_cast<double>(count_); }
  [[nodiscard]] double error() const { return error_ / static_cast<double>(count_); }

 private:
  double value_ = 0.0;
  double error_ = 0.0;
  std::uint64_t count_ = 0;
};

}  // namespace consilium::task
