#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace consilium::secagg {

/// A linear form in unknowns: its coefficients, 1, 0 or -1 here.
using Form = std::vector<std::int64_t>;

/// The forms that follow from those given, over the integers modulo a prime.
class Span {
 public:
  explicit Span(std::uint64_t prime) : prime_(prime) {}

  /// Adds another form. Returns whether it is independent of those before.
  bool add(const Form& form);
  [[nodiscard]] bool contains(const Form& form) const;
  [[nodiscard]] std::size_t rank() const { return rows_.size(); }

 private:
  using Row = std::vector<std::uint64_t>;
  /// Returns the rest of a form after elimination by the rows. Its first nonzero element, if any, is the pivot.
  [[nodiscard]] Row reduce(const Form& form) const;
  [[nodiscard]] std::uint64_t inverse(std::uint64_t element) const;

  std::uint64_t prime_;
  std::vector<Row> rows_;  ///< each has 1 at its pivot
  std::vector<std::size_t> pivots_;
};

}  // namespace consilium::secagg
