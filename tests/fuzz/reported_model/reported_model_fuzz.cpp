#include <cstdint>
#include <string_view>

#include "common/report/result_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(consilium::report::parse_report(text, "report.json"));
  return 0;
}
