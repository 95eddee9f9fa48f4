#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/encoding/vector_layout.h"
#include "common/error/error.h"

namespace consilium::task {

/// The counts of one evaluation, a site's or several added up, cut into the fields that the task declares. A view: the
/// fields and the counts outlive it.
class Counts {
 public:
  /// Fails with kDataLoss where `values` are not as many as the fields have elements.
  static Result<Counts> cut(const std::vector<encoding::Field>& fields, std::span<const std::uint64_t> values);

  /// Returns a field's counts; empty where the task declares no field of that name.
  [[nodiscard]] std::span<const std::uint64_t> of(std::string_view name) const;
  /// Returns the count of a field that has one element.
  [[nodiscard]] std::uint64_t one(std::string_view name) const { return of(name)[0]; }
  /// Returns one of `rows` parts of a field, all of the same size.
  [[nodiscard]] std::span<const std::uint64_t> row(std::string_view name, std::size_t row, std::size_t rows) const;

 private:
  const std::vector<encoding::Field>* fields_ = nullptr;
  std::span<const std::uint64_t> values_;
};

/// Adds counts up. Fails with kDataLoss where the sum exceeds 64 bits.
Result<std::uint64_t> total(std::span<const std::uint64_t> counts);

/// What is wrong with counts that no site can have counted: kDataLoss, "evaluation counts: ...".
[[nodiscard]] tl::unexpected<Error> contradiction(const std::string& what);

/// Fails where a count is more than `most`, naming both.
Result<void> check_at_most(std::uint64_t count, std::uint64_t most, std::string_view what);

/// Unit of sums of real numbers that travel as counts: 2^-20. Each addend is rounded to the nearest unit.
inline constexpr double kUnit = 1048576.0;
/// Fails where `sum`, of `count` numbers of at most 1 that were rounded to kUnit each, is too large.
Result<void> check_unit_sum(std::uint64_t sum, std::uint64_t count, std::string_view what);

[[nodiscard]] inline double ratio(std::uint64_t part, std::uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

/// A mean of values that have error bounds.
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
