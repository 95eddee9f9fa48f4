#include "client/data_description.h"

#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "common/config/section.h"

namespace consilium::client {

// The trainer's own reader checks the contents of the sections. This one resolves the path, and adds the file and line
// to errors.
Result<trainer::DataSource> read_data_description(const config::Value& value) {
  config::Section section(value, {"type", "path"}, {"labels", "split", "preprocess", "augment", "loading"});
  config::Choices<std::string_view> types;
  for (const trainer::DataType& type : trainer::data_types()) types.emplace_back(type.name, type.name);
  std::string_view type;
  section.choice("type", type, types);
  std::filesystem::path path;
  section.file("path", path);
  CONSILIUM_TRY(section.result());
  nlohmann::json description = value.json();
  description["type"] = type;
  description["path"] = path.string();
  for (auto member = description.begin(); member != description.end();)
    member = member->is_null() ? description.erase(member) : std::next(member);
  const config::Value cache = section.at("loading").at("cache");
  if (cache.present()) {
    CONSILIUM_ASSIGN(description["loading"]["cache"], cache.size());
  }
  auto source = trainer::data_source_from_json(description);
  if (!source) return fail(value.problem_below(source.error().message));
  return source;
}

}  // namespace consilium::client
