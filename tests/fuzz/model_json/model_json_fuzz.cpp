#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "common/model/model_json.h"
#include "common/model/model_parameters.h"

using namespace consilium;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto json = nlohmann::json::parse(data, data + size, nullptr, false);
  if (json.is_discarded()) return 0;
  const auto spec = model::model_from_json(json);
  if (!spec) return 0;
  const auto again = model::model_from_json(model::to_json(*spec));
  if (!again || !(*again == *spec)) std::abort();
  const auto manifest = model::build_manifest(*spec);
  if (manifest && manifest->parameter_count() < 100000 && !model::initial_weights(*spec, 1)) std::abort();
  return 0;
}
