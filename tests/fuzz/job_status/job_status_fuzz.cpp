#include <cstdint>
#include <cstdlib>
#include <span>

#include "common/wire/report_conversions.h"

using namespace consilium;

/// A status, or the record of a round, is refused, or survives encoding and parsing.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  if (const auto status = wire::decode_job_status(bytes)) {
    const std::string again = wire::encode(*status);
    const auto back = wire::decode_job_status(std::as_bytes(std::span(again)));
    if (!back || back->sites != status->sites) std::abort();
  }
  if (const auto record = wire::decode_round_record(bytes)) {
    const std::string again = wire::encode(*record);
    const auto back = wire::decode_round_record(std::as_bytes(std::span(again)));
    if (!back || back->cohort != record->cohort || back->failed != record->failed) std::abort();
  }
  return 0;
}
