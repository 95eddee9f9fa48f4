#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "common/job/round_order.h"

/// Any bytes are refused, or equal what encode() writes for the decoded order.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto order = consilium::job::decode_round_order(bytes);
  if (!order) return 0;
  const auto again = consilium::job::encode(*order);
  if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) std::abort();
  return 0;
}
