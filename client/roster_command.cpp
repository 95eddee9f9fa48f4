#include "client/roster_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <vector>

#include "client/daemon_config.h"
#include "client/policy/accepted_roster.h"
#include "common/files/files.h"
#include "common/pki/authority.h"
#include "common/pki/enrollment.h"
#include "common/roster/consent.h"
#include "common/roster/exposure.h"
#include "common/roster/roster_change.h"
#include "common/roster/roster_file.h"
#include "common/roster/succession.h"

namespace consilium::client {
namespace {

using Action = std::function<Result<int>()>;

constexpr std::size_t kMaxPemBytes = 1 << 20;

constexpr const char* kExamples =
    "Examples:\n"
    "  consilium-client roster check roster-4.yaml\n"
    "  consilium-client roster consent roster-4.yaml --out north-consent.yaml\n"
    "  consilium-client roster consent --may-leave roster-4.yaml --out north-leave.yaml\n"
    "  consilium-client roster accept roster-5.yaml\n"
    "  consilium-client roster successor new/north.csr --out north.yaml\n\n"
    "Exit codes: 0 acceptable, or done; 1 not acceptable, or failure; 2 usage.";

struct Options {
  std::string config = kDefaultConfigFile;
  std::string roster;
  std::string out;
  bool may_leave = false;
};

/// This site, the roster that it last accepted, and the new roster.
struct Question {
  ClientConfig config;
  std::string certificate;
  crypto::Digest key{};
  std::optional<roster::Roster> known;
  roster::Roster next;

  [[nodiscard]] roster::Change change() const {
    return {.known = known ? &*known : nullptr, .next = next, .site = config.site};
  }
};

Result<Question> read_question(const Options& options) {
  Question question;
  CONSILIUM_ASSIGN(question.config, read_client_config(options.config));
  CONSILIUM_ASSIGN(question.certificate, files::read_file(question.config.tls.certificate, kMaxPemBytes));
  CONSILIUM_ASSIGN(const std::string fingerprint, pki::key_fingerprint(question.certificate));
  CONSILIUM_ASSIGN(question.key, crypto::digest_from_hex(fingerprint));
  CONSILIUM_ASSIGN(const pki::Identity self, pki::identity_of_certificate(question.certificate));
  CONSILIUM_ASSIGN(question.known, policy::read_accepted_roster(question.config.state_dir));
  CONSILIUM_ASSIGN(question.next, roster::read_roster(options.roster));
  if (question.next.consortium != self.consortium) {
    return fail(ErrorCode::kInvalidArgument, options.roster + ": consortium: expected '" + self.consortium +
                                                 "', that of this site's certificate, found '" +
                                                 question.next.consortium + "'");
  }
  return question;
}

void print_members(const Question& question, std::ostream& out) {
  const roster::Roster& next = question.next;
  out << "Roster " << next.serial << " of consortium " << next.consortium << "; ";
  if (question.known) {
    out << "the roster accepted last is roster " << question.known->serial << ".\n";
  } else {
    out << "this site has accepted none yet.\n";
  }
  const std::vector<std::string> changes = roster::member_changes(question.change());
  for (const std::string& line : changes) out << "  " << line << "\n";
  if (!changes.empty()) out << "Compare each new key by telephone.\n";
  const auto own = next.sites.find(question.config.site);
  if (own == next.sites.end()) out << "This site (" << question.config.site << ") isn't in it.\n";
  if (own != next.sites.end() && own->second != question.key)
    out << "It gives this site the key " << crypto::to_hex(own->second) << ", but the certificate has "
        << crypto::to_hex(question.key) << ".\n";
}

void print_populations(const Question& question, std::ostream& out) {
  for (const roster::Population& population : question.next.populations) {
    out << "Population " << population.name << " (" << roster::name_of(population.mode) << "): sums over ";
    std::string groups;
    for (const roster::Group& group : population.groups)
      groups.append(groups.empty() ? "" : ", ").append(roster::set_text(group));
    out << (groups.empty() ? "no group" : groups) << ".\n";
  }
}

void print_exposures(const Question& question, std::ostream& out) {
  for (const roster::Exposure& exposure : roster::find_exposures(question.change())) {
    out << "In " << roster::describe(question.next, exposure) << ". ";
    if (!exposure.missing.empty()) {
      out << "Not signed by " << roster::set_text(exposure.missing) << ".\n";
    } else {
      out << (exposure.leaving ? "They signed beforehand that they may leave.\n" : "They have signed.\n");
    }
  }
}

Result<int> check(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const Question question, read_question(options));
  print_members(question, out);
  print_populations(question, out);
  const auto verdict = roster::check_change(question.change(), roster::Departures::kRefuse);
  if (roster::check_rules(question.change())) print_exposures(question, out);
  if (verdict) {
    out << "Acceptable: the client uses it once client.yaml names it.\n";
    return 0;
  }
  out << "Not acceptable: " << verdict.error().message << "\n";
  return 1;
}

/// Returns the populations for which this site's signature is needed.
std::vector<std::string> populations_to_sign(const Question& question, bool leaving, std::ostream& out) {
  std::vector<std::string> names;
  const std::string& site = question.config.site;
  const auto in = [&site](const roster::Group& group) { return std::binary_search(group.begin(), group.end(), site); };
  if (leaving) {
    for (const roster::Population& population : question.next.populations) {
      if (population.mode == roster::Mode::kMasked &&
          std::any_of(population.groups.begin(), population.groups.end(), in))
        names.push_back(population.name);
    }
    return names;
  }
  for (const roster::Exposure& exposure : roster::find_exposures(question.change())) {
    if (!in(exposure.missing)) continue;
    out << "In " << roster::describe(question.next, exposure) << ".\n";
    names.push_back(exposure.population);
  }
  return names;
}

Result<int> consent(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const Question question, read_question(options));
  CONSILIUM_TRY(roster::check_rules(question.change()));
  const crypto::Digest* expected = roster::consent_key(question.change(), question.config.site);
  if (expected == nullptr || *expected != question.key) {
    return fail(ErrorCode::kFailedPrecondition, options.roster + ": expected this site (" + question.config.site +
                                                    ") with the key of its certificate, " +
                                                    crypto::to_hex(question.key) + ", found " +
                                                    (expected == nullptr ? "none" : crypto::to_hex(*expected)));
  }
  const std::vector<std::string> populations = populations_to_sign(question, options.may_leave, out);
  if (populations.empty()) {
    return fail(ErrorCode::kFailedPrecondition,
                options.roster + (options.may_leave ? ": this site is in none of its groups, so it can't leave one"
                                                    : ": no signature of this site is needed"));
  }
  CONSILIUM_ASSIGN(const auto signer, pki::make_file_signer(question.config.tls.key));
  const auto kind = options.may_leave ? roster::ConsentKind::kMayLeave : roster::ConsentKind::kChange;
  std::vector<roster::Consent> consents;
  for (const std::string& population : populations) {
    CONSILIUM_ASSIGN(
        roster::Consent signed_now,
        roster::sign_consent(question.next, population, kind, question.config.site, question.certificate, *signer));
    consents.push_back(std::move(signed_now));
  }
  CONSILIUM_TRY(files::replace_file(options.out, roster::consents_text(consents)));
  out << "Wrote " << options.out << ": site " << question.config.site
      << (options.may_leave ? " may leave its group; then others can compute its part of earlier sums.\n"
                            : " agrees to this change of the groups.\n")
      << "Send it to the consortium's certificate authority, for: consilium ca roster --consent " << options.out
      << "\n";
  return 0;
}

Result<int> accept(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const Question question, read_question(options));
  CONSILIUM_TRY(roster::check_rules(question.change()));
  print_exposures(question, out);
  std::error_code problem;  // from a client that has never run; a failure to create the folder is reported below
  if (std::filesystem::create_directories(question.config.state_dir, problem))
    std::filesystem::permissions(question.config.state_dir, std::filesystem::perms::owner_all, problem);
  CONSILIUM_TRY(policy::accept_roster(question.config.state_dir, question.next, {}, question.config.site,
                                      roster::Departures::kAccept));
  out << "Accepted roster " << question.next.serial << "; name " << options.roster
      << " in client.yaml and restart the client.\n";
  return 0;
}

/// Signs the key in a new request with the site's current key, as its successor. The serial states which roster the
/// succession follows.
Result<int> successor(const Options& options, std::ostream& out) {
  CONSILIUM_ASSIGN(const ClientConfig config, read_client_config(options.config));
  CONSILIUM_ASSIGN(const std::string certificate, files::read_file(config.tls.certificate, kMaxPemBytes));
  CONSILIUM_ASSIGN(const std::string own, pki::key_fingerprint(certificate));
  CONSILIUM_ASSIGN(const std::string request, pki::read_request_file(options.roster));
  CONSILIUM_ASSIGN(const std::string fingerprint, pki::request_fingerprint(request));
  CONSILIUM_ASSIGN(const crypto::Digest key, crypto::digest_from_hex(fingerprint));
  CONSILIUM_ASSIGN(const auto known, policy::read_accepted_roster(config.state_dir));
  const auto listed = known ? known->sites.find(config.site) : std::map<std::string, crypto::Digest>::const_iterator{};
  if (!known || known->serial == 0 || listed == known->sites.end() || crypto::to_hex(listed->second) != own) {
    return fail(ErrorCode::kFailedPrecondition,
                "the roster that this site accepted last doesn't list " + config.site + " with the key " + own +
                    " of its certificate, so that key can name no successor; start the client with the roster first");
  }
  CONSILIUM_ASSIGN(const auto signer, pki::make_file_signer(config.tls.key));
  CONSILIUM_ASSIGN(const roster::Succession made,
                   roster::sign_succession(known->consortium, config.site, known->serial, key, certificate, *signer));
  CONSILIUM_TRY(files::replace_file(options.out, roster::successions_text({made})));
  out << "Wrote " << options.out << ": the key " << own << " of site " << config.site << " names its successor "
      << fingerprint << ".\nSend it to the consortium's certificate authority, for: consilium ca roster --successor "
      << options.out << "\nKeep the old key and certificate in client.yaml until you get the new roster.\n";
  return 0;
}

/// Declares one subcommand. Its options live as long as its callback.
template <class Do>
CLI::App* add(CLI::App& parent, const char* name, const char* description, const std::shared_ptr<Options>& options,
              Action& action, std::ostream& out, Do run, const char* file = "the new roster file") {
  CLI::App* command = parent.add_subcommand(name, description);
  command->add_option("NEW", options->roster, file)->required();
  command->add_option("--config", options->config, "the daemon's configuration")->capture_default_str();
  command->footer(kExamples);
  command->callback([options, &action, &out, run] { action = [options, &out, run] { return run(*options, out); }; });
  return command;
}

}  // namespace

void add_roster_command(CLI::App& app, std::function<Result<int>()>& action, std::ostream& out) {
  CLI::App* roster = app.add_subcommand("roster", "look at a new roster file, and agree to it");
  roster->require_subcommand(1);
  roster->footer(kExamples);
  add(*roster, "check", "show which sites' parts could be computed after the change, and whether the client accepts it",
      std::make_shared<Options>(), action, out, check);
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      add(*roster, "consent", "sign that this site agrees that its part of earlier sums can be computed", options,
          action, out, consent);
  command->add_flag("--may-leave", options->may_leave, "sign in advance that this site may leave");
  command->add_option("--out", options->out, "the signature's file")->required();
  const auto key = std::make_shared<Options>();
  add(*roster, "successor", "sign this site's new key with the old one", key, action, out, successor,
      "the new key's request, from consilium-client enroll")
      ->add_option("--out", key->out, "the signature's file")
      ->required();
  add(*roster, "accept", "accept a roster, including departures of sites that signed --may-leave",
      std::make_shared<Options>(), action, out, accept);
}

}  // namespace consilium::client
