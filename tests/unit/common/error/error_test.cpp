#include "common/error/error.h"

#include "tests/catch.h"

using namespace consilium;

namespace {

Result<int> half_of(int number) {
  if (number % 2 != 0) return fail(ErrorCode::kInvalidArgument, "odd");
  return number / 2;
}

Result<int> quarter_of(int number) {
  CONSILIUM_ASSIGN(const int half, half_of(number));
  CONSILIUM_TRY(half_of(half));
  return half / 2;
}

}  // namespace

TEST_CASE("a Result carries a value or the error of the first step that failed") {
  CHECK(quarter_of(8).value() == 2);
  const auto failed = quarter_of(6);
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().code == ErrorCode::kInvalidArgument);
  CHECK(failed.error().within("job.yaml").message == "job.yaml: odd");
  CHECK(name_of(failed.error().code) == "invalid_argument");
}
