#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace consilium {

/// The kind of failure that an Error reports. Callers branch on the code; people read the message.
enum class ErrorCode {
  kInvalidArgument,     ///< a file, key, message or argument is malformed or out of range
  kNotFound,            ///< a named thing does not exist
  kAlreadyExists,       ///< a named thing exists where none may
  kPermissionDenied,    ///< identity is known, but the policy or the role forbids the action
  kUnauthenticated,     ///< identity is missing, foreign, expired or revoked
  kFailedPrecondition,  ///< valid in itself, but not in the present state
  kResourceExhausted,   ///< a fixed limit (size, memory, number) would be exceeded
  kUnavailable,         ///< the other side cannot be reached now; a retry may succeed
  kDeadlineExceeded,    ///< time ran out
  kCancelled,           ///< stopped on request
  kDataLoss,            ///< stored or transferred bytes are not the ones expected
  kInternal,            ///< a bug, or the operating system unexpectedly refused a request
};

/// Names the code in snake_case, e.g. "invalid_argument".
[[nodiscard]] std::string_view name_of(ErrorCode code);

/// A failure: its code, and a message that names the file and key, the site, or the command to run next.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;

  /// Returns the same error with "context: " put before its message.
  [[nodiscard]] Error within(std::string_view context) const;
};

/// A value, or the Error that prevented it. Any failure that a peer, file, configuration or clock can cause is a
/// Result.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  Result(tl::expected<T, Error> other)
      : tl::expected<T, Error>(std::move(other)) {}  // NOLINT(google-explicit-constructor)
};

/// Builds the failing side of a Result: `return fail(ErrorCode::kNotFound, "...")`.
[[nodiscard]] tl::unexpected<Error> fail(ErrorCode code, std::string message);
[[nodiscard]] tl::unexpected<Error> fail(Error error);
/// Builds the same with kInvalidArgument, for an input value that can't be accepted.
[[nodiscard]] tl::unexpected<Error> refuse(std::string message);

}  // namespace consilium

#define CONSILIUM_CONCAT_INNER(a, b) a##b
#define CONSILIUM_CONCAT(a, b) CONSILIUM_CONCAT_INNER(a, b)

/// Returns from the enclosing function with the error of `expression` (a Result), if it has one.
#define CONSILIUM_TRY(expression)                                    \
  do {                                                               \
    if (auto consilium_result = (expression); !consilium_result) {   \
      return ::consilium::fail(std::move(consilium_result).error()); \
    }                                                                \
  } while (false)

/// Initialises `declaration` with the value of `expression` (a Result), or returns its error.
#define CONSILIUM_ASSIGN(declaration, expression)                                               \
  auto CONSILIUM_CONCAT(consilium_result_, __LINE__) = (expression);                            \
  if (!CONSILIUM_CONCAT(consilium_result_, __LINE__)) {                                         \
    return ::consilium::fail(std::move(CONSILIUM_CONCAT(consilium_result_, __LINE__)).error()); \
  }                                                                                             \
  declaration = std::move(*CONSILIUM_CONCAT(consilium_result_, __LINE__))
