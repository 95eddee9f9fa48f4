#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "common/secagg/agreement_messages.h"

/// Any bytes are refused, or equal what encode() writes for the decoded message. No bytes are both a site's and a
/// coordinator's message, or also a message of a sum.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace consilium::secagg;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto site = decode_agreement_site_message(bytes);
  const auto coordinator = decode_agreement_coordinator_message(bytes);
  if (site && !std::ranges::equal(encode(*site), bytes)) std::abort();
  if (coordinator && !std::ranges::equal(encode(*coordinator), bytes)) std::abort();
  if (site && coordinator) std::abort();
  const bool of_a_sum = decode_site_message(bytes).has_value() || decode_coordinator_message(bytes).has_value();
  if ((site || coordinator) && (of_a_sum || !is_agreement_message(bytes))) std::abort();
  return 0;
}
