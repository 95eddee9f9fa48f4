#include "coordinator/daemon_config.h"

#include "common/config/section.h"

namespace consilium::coordinator {
namespace {

Result<admission::Quotas> read_quotas(const config::Value& value) {
  admission::Quotas quotas;
  config::Section section(value, {}, {"jobs", "running", "weights"});
  section.integer("jobs", quotas.jobs, {1, 10'000});
  section.integer("running", quotas.running, {1, 64});
  section.size("weights", quotas.weights);
  CONSILIUM_TRY(section.result());
  return quotas;
}

Result<CoordinatorConfig> from_root(const config::Value& root) {
  CoordinatorConfig config;
  config::Section section(root, {"state_dir", "tls"}, {"listen", "max_running_jobs", "quotas", "log"});
  CONSILIUM_TRY(section.result());
  if (section.has("listen")) {
    CONSILIUM_ASSIGN(config.listen, config::read_address(section.at("listen"), 0));
  }
  section.file("state_dir", config.state_dir);
  section.integer("max_running_jobs", config.max_running_jobs, {1, 64});
  CONSILIUM_TRY(section.result());
  CONSILIUM_ASSIGN(config.quotas, read_quotas(section.at("quotas")));
  CONSILIUM_ASSIGN(config.tls, config::read_tls(section.at("tls")));
  CONSILIUM_ASSIGN(config.log, config::read_log(section.at("log")));
  return config;
}

}  // namespace

std::vector<std::string> keys_for_restart(const CoordinatorConfig& running, const CoordinatorConfig& fresh) {
  std::vector<std::string> changed;
  if (running.listen != fresh.listen) changed.emplace_back("listen");
  if (running.state_dir != fresh.state_dir) changed.emplace_back("state_dir");
  if (running.tls != fresh.tls) changed.emplace_back("tls");
  if (running.quotas.weights != fresh.quotas.weights) changed.emplace_back("quotas.weights");
  return changed;
}

Result<CoordinatorConfig> read_coordinator_config(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const config::Value root, config::read(file));
  return from_root(root);
}

Result<CoordinatorConfig> parse_coordinator_config(std::string_view text, std::string_view source,
                                                   const std::filesystem::path& folder) {
  CONSILIUM_ASSIGN(const config::Value root, config::parse(text, source, folder));
  return from_root(root);
}

}  // namespace consilium::coordinator
