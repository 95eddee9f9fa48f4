#include "client/trainer/described_data.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <filesystem>
#include <vector>

#include "client/data_description.h"
#include "client/trainer/data/readers.h"
#include "common/config/value.h"
#include "common/job/atlas_file.h"

namespace consilium::trainer {
namespace {

/// Reads datasets.NAME of a client's configuration.
Result<DataSource> described_under(const config::Value& configuration, const std::string& name) {
  const config::Value datasets = configuration.at("datasets");
  const config::Value description = datasets.at(name);
  if (description.present()) return client::read_data_description(description);
  constexpr std::size_t kMostNamed = 1000;
  CONSILIUM_ASSIGN(const auto all, datasets.pairs(kMostNamed));
  std::vector<std::string> known;
  for (const auto& [one, value] : all) known.push_back(one);
  return fail(datasets.problem(fmt::format("'{}' isn't there; expected one of: {}", name, fmt::join(known, ", ")),
                               ErrorCode::kNotFound));
}

}  // namespace

Result<DataSource> data_source_of(const std::string& data) {
  const std::filesystem::path path(data);
  const auto is_yaml = [](const std::filesystem::path& file) {
    return file.extension() == ".yaml" || file.extension() == ".yml";
  };
  const std::size_t colon = data.rfind(':');
  if (colon != std::string::npos && is_yaml(data.substr(0, colon))) {
    CONSILIUM_ASSIGN(const config::Value configuration, config::read(data.substr(0, colon)));
    return described_under(configuration, data.substr(colon + 1));
  }
  if (!is_yaml(path)) return data::source_at(path);
  CONSILIUM_ASSIGN(const config::Value description, config::read(path));
  return client::read_data_description(description);
}

Result<std::optional<AtlasFile>> atlas_file(const job::JobSpec& job, const std::string& path) {
  CONSILIUM_TRY(job::check_atlas_option(job.data, path));
  if (!job.data.atlas) return std::optional<AtlasFile>();
  return std::optional(AtlasFile{path, job.data.atlas->sha256, job.data.atlas->channels});
}

}  // namespace consilium::trainer
