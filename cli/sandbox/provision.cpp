#include "cli/sandbox/provision.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string_view>
#include <system_error>

#include "client/policy/policy.h"
#include "common/files/files.h"
#include "common/job/strategies.h"
#include "common/pki/authority.h"
#include "common/pki/enrollment.h"
#include "common/pki/identity.h"
#include "common/roster/consortium_file.h"
#include "common/roster/members.h"
#include "common/roster/roster_file.h"
#include "simulation/site_data.h"

namespace consilium::cli {
namespace {

constexpr const char* kConsortium = "sandbox";
constexpr std::chrono::days kRootValidity{3650};
constexpr std::chrono::days kValidity{365};
constexpr std::size_t kMostRequestBytes = 1 << 20;

Result<void> write_text(const std::filesystem::path& file, std::string_view text) {
  return files::replace_file(file, std::as_bytes(std::span(text)), files::Access::kUmask);
}

Result<void> copy_to(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code code;
  std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing, code);
  if (code) return fail(ErrorCode::kInternal, fmt::format("{}: cannot be written: {}", to.string(), code.message()));
  return {};
}

/// Does in one place what `consilium-client enroll` and `consilium ca sign` do between two organisations.
Result<void> certify(pki::Authority& authority, const pki::Identity& identity, const std::vector<std::string>& hosts,
                     const std::filesystem::path& folder) {
  CONSILIUM_ASSIGN(const pki::Enrollment enrolled, pki::enroll(identity, folder));
  CONSILIUM_ASSIGN(const std::string csr, files::read_file(enrolled.request, kMostRequestBytes));
  CONSILIUM_ASSIGN(const std::string certificate, authority.sign(csr, identity, hosts, kValidity));
  CONSILIUM_TRY(write_text(folder / (identity.name + ".pem"), certificate));
  CONSILIUM_TRY(copy_to(authority.root_certificate(), folder / "root.pem"));
  return copy_to(authority.revocation_list(), folder / "crl.pem");
}

/// Puts text between double quotes for YAML.
std::string yaml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string coordinator_yaml() {
  return "# Started as: consilium-coordinator --config coordinator.yaml\n"
         "# Relative paths start at this file's folder.\n\n"
         "# A real coordinator listens where hospitals reach it, e.g. 0.0.0.0:8470. Port 0 takes a free one and writes "
         "it to\n"
         "# <state_dir>/port.\n"
         "listen: 127.0.0.1:0\n\n"
         "# Models and uploads under way. Nothing about patients.\n"
         "state_dir: state\n\n"
         "# The consortium's root signs all certificates. Its key must not be on this machine; it is in the folder "
         "offline/ca.\n"
         "tls:\n"
         "  root: root.pem\n"
         "  certificate: coordinator.pem\n"
         "  key: coordinator.key            # born here, never leaves\n"
         "  revocation_list: crl.pem\n";
}

std::string client_yaml(const simulation::SimulatedSite& site, const job::JobSpec& job, const SandboxTrainer& trainer,
                        int port) {
  return fmt::format(
      "# Started as: consilium-client --config client.yaml\n"
      "# Relative paths start at this file's folder.\n\n"
      "site: {0}\n\n"
      "# The client opens this connection; hospitals accept no connections.\n"
      "coordinator: 127.0.0.1:{1}\n\n"
      "tls:\n"
      "  root: root.pem\n"
      "  certificate: {0}.pem\n"
      "  key: {0}.key            # born here, never leaves\n"
      "  revocation_list: crl.pem\n\n"
      "# What this hospital agrees to. Without this file it takes part in no job.\n"
      "policy: policy.yaml\n\n"
      "# The consortium's sites and their keys. Each hospital gets this file from the certificate authority and "
      "compares the keys by\n# telephone.\n"
      "roster: roster.yaml\n\n"
      "state_dir: state\n\n"
      "# All randomness of this hospital's training follows from these 32 bytes, which nobody else has. A consortium "
      "keeps\n"
      "# them in state_dir; here they are beside the key, for simulate --site-secrets.\n"
      "site_secret: {0}.secret\n\n"
      "# The process that sees images: it has no network and no key.\n"
      "trainer:\n"
      "  command: [{2}]\n"
      "  device: {3}\n"
      "  threads: {4}\n\n"
      "# What jobs call a data set, and where it lies on this hospital's disk.\n"
      "datasets:\n"
      "  {5}: {{type: {6}, path: {7}}}\n",
      site.name, port, yaml_text(trainer.program.string()), yaml_text(trainer.device), trainer.threads,
      job.data.dataset, site.data.type, yaml_text(site.data.path));
}

std::string policy_yaml(const job::JobSpec& job, bool confined) {
  return fmt::format(
      "# What this hospital agrees to. A job that breaks one of these rules is declined; within them a person "
      "approves\n"
      "# each job: consilium-client jobs, show, approve, decline.\n\n"
      "datasets: [{0}]\n"
      "tasks: [classification]\n"
      "strategies: [{7}]\n"
      "max_rounds: {1}\n"
      "max_local_epochs: {2}\n\n"
      "# The fewest updates that a sum may have. The higher, the less one hospital shows in it.\n"
      "minimum_cohort: {3}\n\n"
      "# May updates reach the coordinator unmasked? It could look at a single one.{4}\n"
      "allow_unmasked: {5}\n{6}",
      job.data.dataset, std::max(100U, job.federation.rounds), std::max(10U, job.training.local_epochs),
      policy::fewest_updates(job), job::is_masked(job) ? "" : " This job asks for it.", !job::is_masked(job),
      confined ? ""
               : "\n# This kernel lacks Landlock, seccomp or network namespaces. A real hospital leaves this line "
                 "out.\nsandbox: optional\n",
      job::strategy_names([](const job::StrategyTraits&) { return true; }));
}

std::string researcher_yaml(int port) {
  return fmt::format(
      "# ~/.config/consilium/config.yaml: where `consilium` finds its coordinator, and who it is.\n"
      "coordinator: 127.0.0.1:{0}\n"
      "root: root.pem\n"
      "certificate: {1}.pem\n"
      "key: {1}.key\n"
      "# With this list, a coordinator whose key was stolen is refused. The list ends after 30 days: `consilium ca "
      "renew-list`.\n"
      "revocation_list: crl.pem\n",
      port, kSandboxResearcher);
}

constexpr const char* kReadme =
    "A whole consortium in one folder, as an example to copy from. In a real consortium each of these is on another "
    "machine:\n\n"
    "  offline/ca/    the certificate authority. Anyone with root.key can make members, including hospitals, so it "
    "stays\n                 on a machine without a network, never on the coordinator's\n"
    "  coordinator/   the coordinator: its own key, its configuration, its state\n"
    "  sites/NAME/    a hospital: its own key, policy, configuration, and its own roster.yaml\n"
    "  researcher/    a researcher's laptop: key, configuration, and the roster that `submit --roster` reads\n"
    "  data/          one .npz per hospital: simulate --site-data; in reality on each hospital's own disk\n"
    "  results/       what the researcher fetched\n\n"
    "roster.yaml lists the hospitals with the fingerprints of their keys. Here it was copied; in reality each "
    "hospital\ngets it from the certificate authority, never through the coordinator, and compares the keys by "
    "telephone.\n";

/// Writes what `consilium ca roster` writes, for every party that checks a job against it.
Result<void> write_rosters(const pki::Authority& authority, const SandboxLayout& layout, const job::JobSpec& job,
                           const std::vector<simulation::SimulatedSite>& sites) {
  CONSILIUM_ASSIGN(const roster::Roster members, roster::members_of(authority));
  roster::Consortium plan;
  plan.colluding = job.privacy.colluding_sites.value_or(1);
  CONSILIUM_ASSIGN(const std::uint64_t largest, simulation::largest_training_set(sites, job));
  const roster::Mode mode = job::is_masked(job) ? roster::Mode::kMasked : roster::Mode::kPlain;
  plan.populations.push_back({job.data.dataset, {job.data.dataset}, mode, largest});
  CONSILIUM_ASSIGN(const roster::MadeRoster made, roster::make_roster(members, plan, nullptr));
  const std::string roster = roster::roster_text(made.roster);
  for (const auto& site : sites) CONSILIUM_TRY(write_text(layout.site(site.name) / "roster.yaml", roster));
  return write_text(layout.roster(), roster);
}

}  // namespace

Result<void> provision(const SandboxLayout& layout, const job::JobSpec& job,
                       const std::vector<simulation::SimulatedSite>& sites) {
  CONSILIUM_ASSIGN(pki::Authority authority, pki::Authority::create(layout.authority(), kConsortium, kRootValidity));
  CONSILIUM_TRY(certify(authority, {kConsortium, pki::Role::kCoordinator, "coordinator"}, {"127.0.0.1", "localhost"},
                        layout.coordinator()));
  CONSILIUM_TRY(certify(authority, {kConsortium, pki::Role::kResearcher, kSandboxResearcher}, {}, layout.researcher()));
  for (const auto& site : sites) {
    std::error_code code;
    std::filesystem::create_directories(layout.site(site.name).parent_path(), code);
    CONSILIUM_TRY(certify(authority, {kConsortium, pki::Role::kSite, site.name}, {}, layout.site(site.name)));
  }
  CONSILIUM_TRY(write_rosters(authority, layout, job, sites));
  CONSILIUM_TRY(write_text(layout.root / "README.txt", kReadme));
  return write_text(layout.coordinator() / "coordinator.yaml", coordinator_yaml());
}

Result<void> write_site_configs(const SandboxLayout& layout, const job::JobSpec& job,
                                const std::vector<simulation::SimulatedSite>& sites, const SandboxTrainer& trainer,
                                int port) {
  for (const auto& site : sites) {
    CONSILIUM_TRY(write_text(layout.site(site.name) / "client.yaml", client_yaml(site, job, trainer, port)));
    CONSILIUM_TRY(write_text(layout.site(site.name) / "policy.yaml", policy_yaml(job, trainer.confined)));
  }
  return write_text(layout.researcher() / "config.yaml", researcher_yaml(port));
}

}  // namespace consilium::cli
