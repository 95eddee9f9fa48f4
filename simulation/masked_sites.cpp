#include "simulation/masked_sites.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "common/job/cohort_rules.h"
#include "common/pki/authority.h"
#include "common/pki/trust.h"
#include "common/random/random_stream.h"
#include "common/secagg/mask.h"
#include "common/secagg/roster_authenticator.h"
#include "common/secagg/transcript.h"

namespace consilium::simulation {
namespace {

constexpr std::chrono::days kValidity{2};

constexpr std::pair<std::string_view, secagg::Phase> kSteps[] = {{"advertise", secagg::Phase::kAdvertising},
                                                                 {"share", secagg::Phase::kSharing},
                                                                 {"upload", secagg::Phase::kUploading},
                                                                 {"confirm", secagg::Phase::kConfirming},
                                                                 {"unmask", secagg::Phase::kUnmasking}};

Result<std::pair<secagg::Phase, std::uint32_t>> parse_drop(std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto step =
      std::ranges::find(kSteps, text.substr(0, colon), &std::pair<std::string_view, secagg::Phase>::first);
  std::uint32_t count = 0;
  const std::string_view number = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), count);
  if (step == std::end(kSteps) || problem != std::errc() || end != number.data() + number.size() || count == 0) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--drop-at: expected STEP:COUNT with a step of advertise, share, upload, confirm, unmask, "
                            "e.g. share:2, found '{}'",
                            text));
  }
  return std::pair(step->second, count);
}

}  // namespace

Result<DropPlan> parse_drop_plan(const std::string& text) {
  DropPlan plan;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    CONSILIUM_ASSIGN(const auto drop, parse_drop(rest.substr(0, comma)));
    plan[drop.first] += drop.second;
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return plan;
}

Result<std::unique_ptr<MaskedSites>> MaskedSites::create(const std::vector<std::string>& sites, DropPlan drops) {
  CONSILIUM_ASSIGN(TemporaryFolder folder, TemporaryFolder::create("consilium-masked-sites"));
  const std::filesystem::path root = folder.path();
  std::unique_ptr<MaskedSites> made(new MaskedSites(std::move(folder), std::move(drops)));
  CONSILIUM_ASSIGN(pki::Authority authority, pki::Authority::create(root / "authority", "simulation", 2 * kValidity));
  for (const std::string& site : sites) {
    const pki::Identity identity{"simulation", pki::Role::kSite, site};
    const std::filesystem::path key = root / (site + ".key");
    CONSILIUM_ASSIGN(const std::string request, pki::create_key_and_request(key, identity));
    Identity& own = made->identities_[site];
    CONSILIUM_ASSIGN(own.certificate, authority.sign(request, identity, {}, kValidity));
    CONSILIUM_ASSIGN(own.signer, pki::make_file_signer(key));
    CONSILIUM_ASSIGN(const std::string fingerprint, pki::key_fingerprint(own.certificate));
    CONSILIUM_ASSIGN(made->roster_[site], crypto::digest_from_hex(fingerprint));
  }
  CONSILIUM_ASSIGN(auto trust, pki::TrustStore::open(authority.root_certificate(), authority.revocation_list()));
  made->authenticator_ = std::make_shared<secagg::RosterAuthenticator>(std::move(trust), made->roster_);
  return made;
}

void MaskedSites::open(const job::SessionKey& key, const job::RoundOrder& order,
                       const std::vector<std::string>& cohort) {
  session_ = key;
  protocols_.clear();
  silent_from_.clear();
  if (key.kind != job::SumKind::kTrain) return;
  std::vector<std::pair<std::uint64_t, std::string>> ranked;
  for (const std::string& site : cohort) {
    ranked.emplace_back(RandomStream(order.seed, RandomPurpose::kDropouts, order.round, site).next_u64(), site);
  }
  std::ranges::sort(ranked);
  std::size_t next = 0;
  for (const auto& [step, count] : plan_) {
    for (std::uint32_t i = 0; i < count && next < ranked.size(); ++i) silent_from_[ranked[next++].second] = step;
  }
}

bool MaskedSites::drops(const std::string& site, secagg::Phase step) const {
  const auto silent = silent_from_.find(site);
  return silent != silent_from_.end() && step >= silent->second;
}

Result<secagg::SiteMessage> MaskedSites::begin(const std::string& site, const job::RoundOrder& order,
                                               const job::JobSpec& job) {
  const Identity& own = identities_.at(site);
  secagg::SiteSetup setup;
  setup.context = secagg::attempt_context(order);
  setup.site = site;
  setup.certificate = own.certificate;
  setup.colluding = job::colluding_sites(job);
  setup.eligible = order.kind == job::SumKind::kTrain ? job.federation.sites : job::count_groups(job).at(order.group);
  CONSILIUM_ASSIGN(secagg::SiteProtocol protocol,
                   secagg::SiteProtocol::start(std::move(setup), *authenticator_, *own.signer, random_));
  secagg::SiteMessage advert = protocol.advert();
  protocols_.insert_or_assign(site, std::move(protocol));
  return advert;
}

Result<std::optional<secagg::SiteMessage>> MaskedSites::receive(const std::string& site,
                                                                const secagg::CoordinatorMessage& message) {
  const auto found = protocols_.find(site);
  if (found == protocols_.end()) return fail(ErrorCode::kFailedPrecondition, site + " isn't in that session");
  return found->second.receive(message);
}

bool MaskedSites::keyed(const std::string& site) const {
  const auto found = protocols_.find(site);
  return found != protocols_.end() && found->second.keyed();
}

Result<void> MaskedSites::mask(const std::string& site, std::span<std::uint32_t> words, unsigned threads) {
  const auto found = protocols_.find(site);
  if (found == protocols_.end()) return fail(ErrorCode::kFailedPrecondition, site + " isn't in that session");
  CONSILIUM_ASSIGN(const std::vector<secagg::MaskTerm> masks, found->second.take_masks());
  return secagg::add_masks(masks, 0, words, threads);
}

}  // namespace consilium::simulation
