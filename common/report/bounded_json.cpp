#include "common/report/bounded_json.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

namespace consilium::report {

using nlohmann::json;

Result<json> parse_bounded_json(std::string_view text, int most_depth) {
  bool too_deep = false;
  const auto watch = [&too_deep, most_depth](int depth, json::parse_event_t /*event*/, json& /*value*/) {
    too_deep = too_deep || depth > most_depth;
    return !too_deep;
  };
  json parsed = json::parse(text, watch, false);
  if (too_deep) return refuse(fmt::format("is nested more than {} levels deep", most_depth));
  if (parsed.is_discarded()) return refuse("is not JSON");
  return parsed;
}

}  // namespace consilium::report
