#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/job/job_text.h"

/// Any text is refused, or its canonical text reads back to the same job.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto job = consilium::job::parse_job(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
  if (!job) return 0;
  const auto again = consilium::job::parse_job(consilium::job::canonical_text(*job), "canonical");
  if (!again || *again != *job) std::abort();
  return 0;
}
