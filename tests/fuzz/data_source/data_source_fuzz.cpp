#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "client/trainer/protocol/data_source.h"
#include "client/trainer/protocol/record_reader.h"

// An accepted description is unchanged after writing and reading it again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace consilium;
  const auto document = trainer::parse_record({reinterpret_cast<const char*>(bytes), size});
  if (!document) return 0;
  const auto source = trainer::data_source_from_json(*document);
  if (!source) return 0;
  const auto again = trainer::data_source_from_json(trainer::to_json(*source));
  if (!again || !(*again == *source)) std::abort();
  return 0;
}
