#include "client/ledger_command.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "client/approval/approvals.h"
#include "client/approval/control_socket.h"
#include "client/daemon_config.h"
#include "client/masking/group_ledger.h"
#include "client/masking/job_keys.h"
#include "client/masking/ledger_file.h"
#include "client/masking/ledger_union.h"
#include "client/policy/roster_check.h"
#include "common/crypto/random_source.h"
#include "common/encoding/hex.h"
#include "common/files/files.h"
#include "common/pki/authority.h"
#include "common/roster/exposure.h"

namespace consilium::client {
namespace {

using masking::LedgerFile;

constexpr const char* kExamples =
    "Examples:\n"
    "  consilium-client ledger request                                    # at the site whose ledger was lost\n"
    "  consilium-client ledger export --for north --code 5f0c9a7e21d4b386 --out east.ledger   # at each other site\n"
    "  consilium-client ledger adopt east.ledger south.ledger west.ledger\n\n"
    "Exit codes: 0 done, 1 failure, 2 usage.";
constexpr std::size_t kMaxRequest = 64;
constexpr std::size_t kMostJobsNamed = 20;

struct Options {
  std::string config = kDefaultConfigFile;
  std::string member;
  std::string code;
  std::string out;
  std::vector<std::string> files;
};

/// This site and its roster.
struct Self {
  ClientConfig config;
  std::string certificate;
  roster::Roster roster;
};

Result<Self> read_self(const Options& options) {
  Self self;
  CONSILIUM_ASSIGN(self.config, read_client_config(options.config));
  CONSILIUM_ASSIGN(self.certificate, files::read_file(self.config.tls.certificate, secagg::kMaxCertificateBytes));
  CONSILIUM_ASSIGN(const pki::Identity identity, pki::identity_of_certificate(self.certificate));
  CONSILIUM_ASSIGN(self.roster, policy::read_own_roster(self.config.roster, identity.consortium));
  if (self.roster.sites.empty())
    return fail(ErrorCode::kFailedPrecondition, "client.yaml: roster: names no file; the sites' keys are needed");
  return self;
}

std::filesystem::path request_of(const ClientConfig& config) { return config.state_dir / "ledger.request"; }

Result<std::uint64_t> code_from(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  std::uint64_t code = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), code, 16);
  if (text.size() == 16 && problem == std::errc{} && end == text.data() + text.size()) return code;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("expected a code of 16 hexadecimal digits, as `consilium-client ledger request` prints it, "
                          "found '{}'",
                          text));
}

/// Opens the ledger, which a running daemon would hold open.
Result<masking::GroupLedger> open_ledger(const Self& self) {
  auto ledger = masking::GroupLedger::open(self.config.state_dir);
  if (!ledger && ledger.error().code == ErrorCode::kFailedPrecondition)
    return fail(ErrorCode::kFailedPrecondition, ledger.error().message + " Stop the client first.");
  return ledger;
}

/// Returns what this site's ledger holds for a member (for itself: everything), without the daemon.
Result<masking::LedgerContent> content_on_disk(const Self& self, const std::string& member) {
  CONSILIUM_ASSIGN(const auto ledger, open_ledger(self));
  CONSILIUM_ASSIGN(masking::LedgerContent content, ledger.content_for(member, self.config.site));
  CONSILIUM_ASSIGN(const std::vector<crypto::Digest> jobs, masking::JobKeys::jobs_in(self.config.state_dir / "keys"));
  masking::add_jobs(content, jobs);
  return content;
}

Result<int> request(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const Self self, read_self(options));
  CONSILIUM_ASSIGN(const masking::LedgerContent own, content_on_disk(self, self.config.site));
  const auto members = masking::members_to_ask(self.config.site, self.roster, own);
  std::uint64_t code = 0;
  crypto::SystemRandom random;
  CONSILIUM_TRY(random.fill({reinterpret_cast<std::uint8_t*>(&code), sizeof(code)}));
  CONSILIUM_TRY(files::replace_file(request_of(self.config), fmt::format("{:016x}\n", code)));
  out << fmt::format(
      "According to roster {}, this site needs the ledgers of {}. Make sure that it is the newest roster, leave the "
      "client stopped, and have each of them run\n\n"
      "  consilium-client ledger export --for {} --code {:016x} --out SITE.ledger\n\n"
      "Then run here: consilium-client ledger adopt, with all of the files. The code is valid until then, or until the "
      "next request.\n",
      self.roster.serial, members.empty() ? "nobody" : fmt::format("{}", fmt::join(members, ", ")), self.config.site,
      code);
  return 0;
}

/// Asks the daemon for the content of its open ledger, or opens the ledger if no daemon runs.
Result<masking::LedgerContent> content_for(const Self& self, const std::string& member) {
  auto answer = approval::ask_daemon(self.config.state_dir, approval::request_text("ledger", member));
  if (!answer && answer.error().code == ErrorCode::kNotFound) return content_on_disk(self, member);
  if (!answer) return fail(answer.error());
  const auto parsed = nlohmann::json::parse(*answer, nullptr, false);
  if (parsed.is_object() && parsed.contains("error"))
    return fail(ErrorCode::kFailedPrecondition, parsed.value("message", "unknown error"));
  const auto bytes = parsed.is_object() ? encoding::bytes_from_hex(parsed.value("ledger", "")) : std::nullopt;
  if (!bytes)
    return fail(ErrorCode::kInternal,
                "the daemon's answer can't be read; check that daemon and command have the same version");
  return masking::decode_ledger_content(*bytes, self.config.site, member);
}

Result<int> export_ledger(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const Self self, read_self(options));
  if (!self.roster.sites.contains(options.member) || options.member == self.config.site)
    return fail(ErrorCode::kInvalidArgument,
                "--for: expected another site of the roster, found '" + options.member + "'");
  LedgerFile file;
  file.consortium = self.roster.consortium;
  file.site = self.config.site;
  file.reader = options.member;
  file.serial = self.roster.serial;
  file.certificate = self.certificate;
  CONSILIUM_ASSIGN(file.code, code_from(options.code));
  CONSILIUM_ASSIGN(file.content, content_for(self, options.member));
  CONSILIUM_ASSIGN(const auto signer, pki::make_file_signer(self.config.tls.key));
  CONSILIUM_TRY(masking::sign(file, *signer));
  const std::vector<std::byte> bytes = masking::encode(file);
  CONSILIUM_TRY(masking::decode_ledger_file(bytes));  // refuse to write a file that the reader would refuse
  CONSILIUM_TRY(files::replace_file(options.out, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  out << fmt::format(
      "Wrote {} for {}: what this site has seen of {} groups and {} jobs that the two share. Nothing in it is secret. "
      "Send it to {}.\n",
      options.out, options.member, file.content.groups.size(), file.content.jobs.size(), options.member);
  return 0;
}

Result<std::vector<LedgerFile>> read_files(const std::vector<std::string>& names) {
  std::vector<LedgerFile> files;
  for (const std::string& name : names) {
    CONSILIUM_ASSIGN(const std::string text, files::read_file(name, masking::kMaxLedgerBytes));
    auto file = masking::decode_ledger_file(std::as_bytes(std::span(text)));
    if (!file) return fail(file.error().within(name));
    files.push_back(*std::move(file));
  }
  return files;
}

/// Binds each job to an id that no coordinator uses, so that the job is declined when it is offered, and counts its
/// sums.
Result<void> close_jobs(const ClientConfig& config, const std::vector<masking::JobContent>& jobs) {
  CONSILIUM_ASSIGN(const auto approvals, approval::Approvals::open(config.state_dir));
  for (const masking::JobContent& job : jobs) {
    CONSILIUM_ASSIGN(const auto known, approvals->accepted(job.job));
    if (known) continue;  // all its sums were reserved when it was accepted
    CONSILIUM_TRY(approvals->accept(
        {job.job, "closed by ledger adopt: " + crypto::to_hex(job.job), job.population, job.sums}, std::nullopt));
  }
  return {};
}

void print(const Self& self, const masking::Adoption& adoption, std::size_t files, std::ostream& out) {
  out << fmt::format("Adopted the ledgers of {} other sites, by roster {}.\n", files, self.roster.serial);
  std::map<std::vector<std::string>, std::uint64_t> last;
  for (const auto& one : adoption.own) last[one.group] = std::max(last[one.group], one.advert.number);
  for (const auto& [group, number] : last)
    out << fmt::format("Group {}: the others have seen this site's adverts up to number {}.\n", roster::set_text(group),
                       number);
  std::map<std::string, std::uint64_t> sums;
  for (const masking::JobContent& job : adoption.jobs) sums[job.population] += job.sums;
  for (const auto& [population, count] : sums) {
    if (count > 0)
      out << fmt::format("Population {}: this site contributed to {} sums of the jobs below.\n", population, count);
  }
  out << fmt::format("{} jobs are closed to this site permanently, including running ones:", adoption.jobs.size());
  for (std::size_t i = 0; i < std::min(adoption.jobs.size(), kMostJobsNamed); ++i)
    out << " " << crypto::to_hex(adoption.jobs[i].job).substr(0, 8);
  out << (adoption.jobs.size() > kMostJobsNamed ? " ...\n" : "\n");
  out << "These ledgers don't contain jobs of mode masked-threshold (have running ones stopped), and what people here "
         "have approved or declined since the backup.\nStart the client; it takes part in jobs that are submitted from "
         "now on.\n";
}

Result<int> adopt(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const Self self, read_self(options));
  const auto asked = files::read_file(request_of(self.config), kMaxRequest);
  if (!asked)
    return fail(ErrorCode::kFailedPrecondition,
                "this site has made no request; run first: consilium-client ledger request");
  CONSILIUM_ASSIGN(const std::uint64_t code, code_from(*asked));
  CONSILIUM_ASSIGN(const std::vector<LedgerFile> files, read_files(options.files));
  CONSILIUM_ASSIGN(const masking::LedgerContent own, content_on_disk(self, self.config.site));
  CONSILIUM_ASSIGN(masking::Adoption adoption,
                   masking::unite_ledgers(files, {self.config.site, code, self.roster, own}));
  masking::LedgerContent all{.groups = {}, .jobs = std::move(adoption.jobs)};
  std::vector<crypto::Digest> known;
  for (const masking::JobContent& job : own.jobs) known.push_back(job.job);
  masking::add_jobs(all, known);
  adoption.jobs = std::move(all.jobs);
  CONSILIUM_TRY(close_jobs(self.config, adoption.jobs));
  {
    CONSILIUM_ASSIGN(auto ledger, open_ledger(self));
    CONSILIUM_TRY(ledger.adopt(adoption));
  }
  std::error_code ignored;
  std::filesystem::remove(request_of(self.config), ignored);
  // Nobody will request the sealed vectors of closed jobs again.
  for (const auto& entry : std::filesystem::directory_iterator(self.config.state_dir / "sums", ignored))
    std::filesystem::remove(entry.path(), ignored);
  print(self, adoption, files.size(), out);
  return 0;
}

CLI::App* add(CLI::App& parent, const char* name, const char* about, const std::shared_ptr<Options>& options,
              std::function<Result<int>()>& action, std::ostream& out,
              Result<int> (*run)(const Options&, std::ostream&)) {
  CLI::App* command = parent.add_subcommand(name, about);
  command->add_option("--config", options->config, "the daemon's configuration")->capture_default_str();
  command->footer(kExamples);
  command->callback([options, &action, &out, run] { action = [options, &out, run] { return run(*options, out); }; });
  return command;
}

}  // namespace

void add_ledger_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out) {
  CLI::App* ledger = app.add_subcommand("ledger", "rebuild this site's ledger of masked jobs after it was lost");
  ledger->require_subcommand(1);
  ledger->footer(kExamples);
  const auto options = std::make_shared<Options>();
  add(*ledger, "request", "list the sites whose ledgers this site needs, and make a code for them", options, action,
      out, request);
  CLI::App* write = add(*ledger, "export", "write a signed file with what this site knows about another one", options,
                        action, out, export_ledger);
  write->add_option("--for", options->member, "the site whose ledger was lost")->required();
  write->add_option("--code", options->code, "the code of its request")->required();
  write->add_option("--out", options->out, "the file")->required();
  add(*ledger, "adopt", "adopt the ledgers of all other members of this site's groups", options, action, out, adopt)
      ->add_option("FILE", options->files, "the others' files")
      ->required();
}

}  // namespace consilium::client
