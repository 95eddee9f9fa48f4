#include "client/config_check.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <system_error>
#include <utility>

#include "client/policy/accepted_roster.h"
#include "client/policy/data_record.h"
#include "client/policy/roster_check.h"
#include "common/files/files.h"
#include "common/files/state_dir.h"
#include "common/files/temporary_folder.h"
#include "common/job/job_limits.h"
#include "common/pki/authority.h"
#include "common/pki/list_memory.h"
#include "common/pki/own_certificate.h"
#include "common/pki/trust.h"

namespace consilium::client {
namespace {

namespace fs = std::filesystem;

/// Maximum size of a certificate file, in bytes.
constexpr std::size_t kLargestPem = 1 << 20;

/// Checks that the site's certificate is valid and matches its key. Doesn't record the newest revocation list seen.
Result<void> check_certificate(const ClientConfig& config, files::Findings& findings) {
  CONSILIUM_ASSIGN(const std::string certificate, pki::check_key_pair(config.tls.certificate, config.tls.key));
  CONSILIUM_ASSIGN(const files::TemporaryFolder folder, files::TemporaryFolder::create("consilium-check"));
  pki::copy_list_memory(config.state_dir, folder.path());
  CONSILIUM_ASSIGN(const auto trust, pki::TrustStore::open(config.tls.root, config.tls.revocation_list,
                                                           pki::TrustOptions{folder.path()}));
  if (const auto own = trust->authenticate(certificate, {pki::Role::kSite}); !own)
    return fail(own.error().within("client.yaml: tls.certificate: " + config.tls.certificate.string()));
  if (auto warning = pki::OwnCertificate(config.tls.certificate, config.tls.key).warning_due())
    findings.warnings.push_back(*std::move(warning));
  if (auto warning = trust->warning_due()) findings.warnings.push_back(*std::move(warning));
  return {};
}

/// Checks that the trainer can get a file in the folder that trainer.scratch names.
Result<void> check_scratch(const ClientConfig& config) {
  if (config.trainer.scratch.empty()) return {};
  const auto made = files::make_nameless_file(config.trainer.scratch);
  if (!made) return fail(made.error().within("client.yaml: trainer.scratch"));
  return {};
}

/// Reports why an atlas can't be read. Jobs that name it are declined until it can.
void check_atlases(const ClientConfig& config, files::Findings& findings) {
  for (const auto& [name, file] : config.atlases) {
    const std::string key = "client.yaml: atlases." + name + ": ";
    std::error_code unreadable;
    const std::uintmax_t bytes = fs::file_size(file, unreadable);
    if (unreadable) {
      findings.problems.push_back(key + file + ": " + unreadable.message());
    } else if (bytes > job::kMaxAtlasBytes) {
      findings.problems.push_back(
          fmt::format("{}{} has {} bytes, expected at most {}", key, file, bytes, job::kMaxAtlasBytes));
    } else if (::access(file.c_str(), R_OK) != 0) {
      findings.problems.push_back(key + file + ": the client's user may not read it");
    }
  }
}

policy::DataPaths paths_of(const ClientConfig& config) {
  policy::DataPaths paths;
  for (const auto& [name, source] : config.datasets) paths.emplace(name, source.path);
  return paths;
}

/// Returns the missing rules without which the policy accepts no job at all.
std::vector<std::string> rules_left_out(const policy::Policy::Rules& rules) {
  std::vector<std::string> keys;
  if (rules.datasets.empty()) keys.emplace_back("datasets");
  if (rules.tasks.empty()) keys.emplace_back("tasks");
  if (rules.strategies.empty()) keys.emplace_back("strategies");
  if (!rules.max_rounds) keys.emplace_back("max_rounds");
  if (!rules.max_local_epochs) keys.emplace_back("max_local_epochs");
  if (!rules.minimum_cohort) keys.emplace_back("minimum_cohort");
  return keys;
}

void remark_on_policy(const ClientConfig& config, const policy::Policy& policy, std::vector<std::string>& problems) {
  const std::vector<std::string> missing = rules_left_out(policy.rules());
  if (!missing.empty() && policy.accepted_digests().empty()) {
    problems.push_back(
        fmt::format("policy.yaml: {}: missing, so this site accepts no job; start from configs/policy.yaml",
                    fmt::join(missing, ", ")));
  }
  std::vector<std::string> names;
  for (const auto& [name, source] : config.datasets) names.push_back(name);
  for (const std::string& name : policy.rules().datasets) {
    if (config.datasets.contains(name)) continue;
    problems.push_back(
        fmt::format("policy.yaml: datasets: '{}' isn't among client.yaml's datasets ({}), so no job on "
                    "it runs here",
                    name, names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
  }
}

void remark_on_roster(const ClientConfig& config, const policy::Policy& policy, const OwnIdentity& self,
                      files::Findings& findings) {
  std::vector<std::string>& problems = findings.problems;
  if (config.roster.empty()) {
    problems.emplace_back(
        "client.yaml: roster: names no file, so this site takes part in no job: get the roster from the consortium's "
        "certificate authority, and compare its keys by telephone");
    return;
  }
  if (self.roster.researchers.empty()) {
    problems.emplace_back(
        "the roster lists no researcher, so this site takes part in no job: get a roster with 'researchers' from the "
        "consortium's certificate authority (client.yaml: roster)");
  }
  const auto own = self.roster.sites.find(config.site);
  if (own == self.roster.sites.end()) {
    problems.push_back(
        fmt::format("client.yaml: roster: this site ('{}') isn't in it, so no job with secure aggregation runs here: "
                    "ask the consortium's certificate authority for a roster that lists this site",
                    config.site));
  } else if (own->second != self.key) {
    problems.push_back(
        fmt::format("client.yaml: roster: it gives this site the key {}, but tls.certificate has the key {}, so no job "
                    "with secure aggregation runs here: ask the consortium's certificate authority",
                    crypto::to_hex(own->second), crypto::to_hex(self.key)));
  }
  if (self.roster.populations.empty()) return;
  for (const std::string& name : policy.rules().datasets) {
    if (config.datasets.contains(name) && roster::population_of(self.roster, name) == nullptr) {
      (policy.rules().allow_unmasked ? findings.warnings : problems)
          .push_back(fmt::format("policy.yaml: datasets: '{}' is in no population of the roster, so no job with secure "
                                 "aggregation runs on it: ask the consortium's certificate authority to add it",
                                 name));
    }
  }
}

/// Starts a trainer as the client would, and has it open every data set.
void check_trainer(const ClientConfig& config, const trainer::TrainerConfig& how, files::Findings& findings) {
  trainer::TrainerProcess trainer(how);
  const auto hello = trainer.start();
  if (!hello) return findings.problems.push_back(hello.error().message);
  if (!hello->sandboxed)
    findings.warnings.push_back(fmt::format(
        "policy.yaml: sandbox: the trainer ({}) isn't confined here, which the policy allows", hello->software));
  if (!hello->software.starts_with("consilium-trainer"))
    return findings.warnings.push_back(
        fmt::format("client.yaml: trainer.command: {} has no command that checks whether it can read the data sets",
                    hello->software));
  for (const auto& [name, source] : config.datasets) {
    if (!fs::exists(source.path)) continue;  // reported already
    if (const auto looked = trainer.look(source); !looked)
      findings.problems.push_back(
          fmt::format("client.yaml: datasets.{}: the trainer can't read it: {}", name, looked.error().message));
  }
}

}  // namespace

Result<OwnIdentity> read_own_identity(const ClientConfig& config) {
  OwnIdentity self;
  CONSILIUM_ASSIGN(const std::string certificate, files::read_file(config.tls.certificate, kLargestPem));
  CONSILIUM_ASSIGN(const pki::Identity identity, pki::identity_of_certificate(certificate));
  if (identity.role != pki::Role::kSite || identity.name != config.site) {
    return fail(ErrorCode::kInvalidArgument, "client.yaml: tls.certificate: expected the certificate of site '" +
                                                 config.site + "', found that of " + pki::to_uri(identity));
  }
  self.consortium = identity.consortium;
  CONSILIUM_ASSIGN(const std::string key, pki::key_fingerprint(certificate));
  CONSILIUM_ASSIGN(self.key, crypto::digest_from_hex(key));
  CONSILIUM_ASSIGN(self.roster, policy::read_own_roster(config.roster, identity.consortium));
  return self;
}

Result<void> check_data_paths(const ClientConfig& config) {
  std::error_code problem;
  for (const auto& [name, source] : config.datasets) {
    if (!fs::exists(source.path, problem)) {
      return fail(ErrorCode::kNotFound, "client.yaml: datasets." + name + ".path: " + source.path + " does not exist");
    }
  }
  return {};
}

files::Findings remarks_on(const ClientConfig& config, const policy::Policy& policy, const OwnIdentity& self) {
  files::Findings findings;
  remark_on_policy(config, policy, findings.problems);
  remark_on_roster(config, policy, self, findings);
  if (config.tls.revocation_list.empty()) {
    findings.warnings.emplace_back(
        "client.yaml: tls.revocation_list: names no file, so stolen keys are not refused; name the authority's newest "
        "crl.pem");
  }
  return findings;
}

files::Findings check_config(const ClientConfig& config,
                             const std::function<trainer::TrainerConfig(const policy::Policy&)>& trainer) {
  files::Findings findings;
  findings.note(check_certificate(config, findings));
  findings.note(check_data_paths(config));
  check_atlases(config, findings);
  findings.note(files::check_state_dir("client", config.state_dir));
  findings.note(check_scratch(config));
  const auto policy = policy::read_policy(config.policy);
  if (!policy) findings.note(fail(policy.error()));
  const auto self = read_own_identity(config);
  if (!self) findings.note(fail(self.error()));
  if (self) {
    findings.note(policy::check_next_roster(config.state_dir, self->roster, {}, config.site));
    const auto recorded = policy::DataRecord::check(config.state_dir, paths_of(config), self->roster);
    if (!recorded && recorded.error().code != ErrorCode::kNotFound) findings.note(fail(recorded.error()));
    if (recorded && !*recorded)
      findings.warnings.emplace_back(
          "the client is running, so the data sets' paths were only compared with each other, not with those that were "
          "configured earlier; the client does that itself whenever it is offered a job");
  }
  if (policy && self) findings.add(remarks_on(config, *policy, *self));
  if (policy) check_trainer(config, trainer(*policy), findings);
  return findings;
}

}  // namespace consilium::client
