#include <cstdint>
#include <cstdlib>
#include <span>

#include "common/wire/report_conversions.h"

using namespace consilium;

/// A status is refused, or comes back from what we would send of it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto status = wire::decode_job_status(std::as_bytes(std::span(data, size)));
  if (!status) return 0;
  const std::string again = wire::encode(*status);
  const auto back = wire::decode_job_status(std::as_bytes(std::span(again)));
  if (!back || back->history.size() != status->history.size() || back->sites != status->sites) std::abort();
  return 0;
}
