#include "common/wire/bulk_transfer.h"
#include "tests/catch.h"

using namespace consilium;
using namespace std::chrono_literals;

TEST_CASE("waits double from the first to the last, each between half and the whole") {
  wire::Backoff backoff(200ms, 30s);
  auto whole = 200ms;
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto wait = backoff.next();
    CHECK(wait >= whole / 2);
    CHECK(wait <= whole);
    whole = std::min(whole * 2, 30000ms);
  }
  backoff.reset();
  CHECK(backoff.next() <= 200ms);
}

TEST_CASE("an attempt is repeated while the other side is away, and only then") {
  int attempts = 0;
  const auto away = [&]() -> Result<void> {
    ++attempts;
    return fail(ErrorCode::kUnavailable, "away");
  };
  CHECK(wire::with_retries(3, {}, away).error().code == ErrorCode::kUnavailable);
  CHECK(attempts == 3);

  attempts = 0;
  const auto refused = wire::with_retries(3, {}, [&]() -> Result<void> {
    ++attempts;
    return fail(ErrorCode::kPermissionDenied, "no");
  });
  CHECK(refused.error().code == ErrorCode::kPermissionDenied);
  CHECK(attempts == 1);

  attempts = 0;
  CHECK(wire::with_retries(3, {}, [&]() -> Result<void> { return ++attempts < 2 ? away() : Result<void>(); }));

  std::stop_source stop;
  stop.request_stop();
  CHECK(wire::with_retries(3, stop.get_token(), away).error().code == ErrorCode::kCancelled);
}
