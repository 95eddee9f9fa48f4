#include "common/secagg/coordinator_protocol.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "common/job/cohort_rules.h"
#include "common/secagg/shamir.h"
#include "common/secagg/transcript.h"

namespace consilium::secagg {
namespace {

Result<void> require(bool holds, std::string why) {
  if (holds) return {};
  return fail(ErrorCode::kInvalidArgument, std::move(why));
}

/// Returns the phase in which sites send this message.
Phase phase_of(const SiteMessage& message) {
  constexpr Phase kPhases[] = {Phase::kAdvertising, Phase::kSharing, Phase::kConfirming, Phase::kUnmasking};
  return kPhases[message.index()];
}

/// Refuses a point of small order: its shared secret with every key is zero.
Result<void> check_agrees(const crypto::X25519PublicKey& key) {
  CONSILIUM_ASSIGN(crypto::SecretBytes any, crypto::SecretBytes::allocate(kSecretBytes));
  CONSILIUM_ASSIGN(const crypto::X25519KeyPair pair, crypto::X25519KeyPair::from_private(std::move(any)));
  CONSILIUM_TRY(pair.agree(key));
  return {};
}

}  // namespace

std::string_view name_of(Phase phase) {
  constexpr std::string_view kNames[] = {"",           "advertising", "sharing",  "uploading",
                                         "confirming", "unmasking",   "unmasked", "failed"};
  return kNames[static_cast<std::size_t>(phase)];
}

CoordinatorProtocol::CoordinatorProtocol(CoordinatorSetup setup, const Authenticator& authenticator)
    : setup_(std::move(setup)), authenticator_(&authenticator), awaited_(setup_.cohort.begin(), setup_.cohort.end()) {}

std::size_t CoordinatorProtocol::threshold() const {
  return job::threshold(static_cast<std::uint32_t>(adverts_.adverts.size()), setup_.colluding);
}

Output CoordinatorProtocol::receive(const std::string& site, const SiteMessage& message) {
  Output output;
  if (std::ranges::find(setup_.cohort, site) == setup_.cohort.end()) return output;
  if (phase_of(message) < phase_) return output;  // late or repeated: the first answer stands, or the site is out
  Result<void> taken = fail(ErrorCode::kInvalidArgument,
                            fmt::format("unexpected {} while {}", secagg::name_of(message), name_of(phase_)));
  if (phase_of(message) == phase_) {
    if (!awaited_.contains(site)) return output;
    taken = std::visit([&](const auto& body) { return on(site, body, output); }, message);
  }
  if (!taken) {
    output.lost.push_back({site, taken.error()});
    std::ranges::move(lose(site).messages, std::back_inserter(output.messages));
    return output;
  }
  awaited_.erase(site);
  move_on(output);
  return output;
}

Output CoordinatorProtocol::lose(const std::string& site) {
  Output output;
  bool out = awaited_.erase(site) > 0;
  // Until the sites mask their vectors, a site that is lost can still be left out of everything.
  if (phase_ == Phase::kAdvertising) out = advertised_.erase(site) > 0 || out;
  if (const auto rank = rank_of(site); phase_ == Phase::kSharing && rank) out = shares_.erase(*rank) > 0 || out;
  if (out) miss(site, output);
  return output;
}

/// Continues without a site that was awaited.
void CoordinatorProtocol::miss(const std::string& site, Output& output) {
  if (setup_.everyone && phase_ < Phase::kConfirming) {
    give_up(fmt::format("counts are summed over a whole group, and {} is missing", site));
  } else {
    move_on(output);
  }
}

Output CoordinatorProtocol::close_phase() {
  Output output;
  if (phase_ == Phase::kUploading) return output;
  const std::string waited = fmt::format("no answer while {}", name_of(phase_));
  for (const std::string& site : std::exchange(awaited_, {})) {
    output.lost.push_back({site, {ErrorCode::kDeadlineExceeded, waited}});
  }
  if (!output.lost.empty()) miss(output.lost.front().site, output);
  return output;
}

/// Enters the next phase once this one has what it needs, or gives up if it can't get it any more.
void CoordinatorProtocol::move_on(Output& output) {
  switch (phase_) {
    case Phase::kAdvertising:
      if (awaited_.empty()) list_adverts(output);
      return;
    case Phase::kSharing:
      if (awaited_.empty()) hand_out_boxes(output);
      return;
    case Phase::kConfirming:
      if (confirmations_.size() >= threshold()) return ask_to_unmask(output);
      if (confirmations_.size() + awaited_.size() < threshold())
        give_up(fmt::format("{} of {} survivors confirmed, {} are needed", confirmations_.size(), survivors_.size(),
                            threshold()));
      return;
    case Phase::kUnmasking:
      if (enough_shares()) {
        if (const auto done = unmask(); !done) give_up(done.error().message);
      } else if (awaited_.empty()) {
        give_up(fmt::format("too few shares were revealed, {} of each site are needed", threshold()));
      }
      return;
    case Phase::kUploading:
    case Phase::kUnmasked:
    case Phase::kFailed:
      return;
  }
}

Result<void> CoordinatorProtocol::on(const std::string& site, const Advert& advert, Output&) {
  CONSILIUM_TRY(require(advert.site == site, fmt::format("advert of '{}', sent by {}", advert.site, site)));
  CONSILIUM_TRY(authenticator_->check_certificate(site, advert.certificate));
  CONSILIUM_TRY(authenticator_->verify(advert.certificate, advert_statement(setup_.context, advert), advert.signature));
  CONSILIUM_TRY(check_keys(advert));
  advertised_.emplace(site, advert);
  return {};
}

/// Refuses keys that every other site would refuse, and the attempt with them. The site that sent them loses its place.
Result<void> CoordinatorProtocol::check_keys(const Advert& advert) const {
  CONSILIUM_TRY(check_agrees(advert.channel_key));
  CONSILIUM_TRY(check_agrees(advert.mask_key));
  std::set<crypto::X25519PublicKey> keys{canonical(advert.channel_key), canonical(advert.mask_key)};
  for (const auto& [site, other] : advertised_) {
    keys.insert(canonical(other.channel_key));
    keys.insert(canonical(other.mask_key));
  }
  return require(keys.size() == 2 * (advertised_.size() + 1), "advert: a key is used twice");
}

void CoordinatorProtocol::list_adverts(Output& output) {
  const std::size_t smallest = job::smallest_cohort(setup_.colluding);
  if (advertised_.size() > kMaxSites)
    return give_up(fmt::format("{} sites advertised keys; at most {} can take part", advertised_.size(), kMaxSites));
  if (advertised_.size() < smallest)
    return give_up(fmt::format("{} sites advertised keys; {} are needed if {} may collude", advertised_.size(),
                               smallest, setup_.colluding));
  for (auto& [site, advert] : std::exchange(advertised_, {})) adverts_.adverts.push_back(std::move(advert));
  cohort_ = cohort_context(setup_.context, adverts_);
  std::set<std::string> everybody;
  for (const Advert& advert : adverts_.adverts) {
    output.messages.push_back({advert.site, adverts_});
    everybody.insert(advert.site);
  }
  enter(Phase::kSharing, std::move(everybody));
}

Result<void> CoordinatorProtocol::on(const std::string& site, const Shares& shares, Output&) {
  const std::size_t sites = adverts_.adverts.size();
  CONSILIUM_TRY(require(shares.commitments.size() == sites && shares.boxes.size() + 1 == sites,
                        fmt::format("found shares for {} sites, expected {}", shares.commitments.size(), sites)));
  shares_.emplace(*rank_of(site), shares);
  return {};
}

void CoordinatorProtocol::hand_out_boxes(Output& output) {
  if (shares_.size() < threshold())
    return give_up(
        fmt::format("{} of {} sites shared keys, {} are needed", shares_.size(), adverts_.adverts.size(), threshold()));
  for (const auto& [rank, shares] : shares_) sharers_.push_back(rank);
  for (const Rank rank : sharers_) output.messages.push_back({name(rank), boxes_for(rank)});
  enter(Phase::kUploading, names(sharers_));
}

bool CoordinatorProtocol::admits_upload(const std::string& site) const {
  return phase_ == Phase::kUploading && awaited_.contains(site);
}

void CoordinatorProtocol::uploaded(const std::string& site) {
  if (!admits_upload(site)) return;
  uploaded_.insert(*rank_of(site));
  awaited_.erase(site);
}

Output CoordinatorProtocol::close_uploads() {
  Output output;
  if (phase_ < Phase::kUploading) give_up(fmt::format("the uploads were closed while {}", name_of(phase_)));
  if (phase_ != Phase::kUploading) return output;
  if (setup_.everyone && !awaited_.empty()) {
    miss(*awaited_.begin(), output);
    return output;
  }
  if (uploaded_.size() < threshold()) {
    give_up(fmt::format("{} of {} sites sent their vectors, {} are needed", uploaded_.size(), sharers_.size(),
                        threshold()));
    return output;
  }
  survivors_.assign(uploaded_.begin(), uploaded_.end());
  for (const Rank rank : survivors_) output.messages.push_back({name(rank), Survivors{survivors_}});
  enter(Phase::kConfirming, names(survivors_));
  return output;
}

Result<void> CoordinatorProtocol::on(const std::string& site, const Confirmation& confirmation, Output&) {
  const Rank rank = *rank_of(site);
  const auto statement = confirmation_statement(cohort_, sharers_, survivors_);
  CONSILIUM_TRY(authenticator_->verify(adverts_.adverts[rank].certificate, statement, confirmation.signature));
  confirmations_.emplace(rank, confirmation.signature);
  return {};
}

void CoordinatorProtocol::ask_to_unmask(Output& output) {
  for (const Rank rank : survivors_) output.messages.push_back({name(rank), unmask_request()});
  enter(Phase::kUnmasking, names(survivors_));
}

Result<void> CoordinatorProtocol::on(const std::string& site, const Reveal& reveal, Output& output) {
  CONSILIUM_TRY(require(reveal.shares.size() == sharers_.size(),
                        fmt::format("{} shares revealed, expected {}", reveal.shares.size(), sharers_.size())));
  const Rank holder = *rank_of(site);
  for (std::size_t i = 0; i < sharers_.size(); ++i) {
    const Rank of = sharers_[i];
    if (committed_to(holder, of, reveal.shares[i])) {
      revealed_[of].emplace(holder, reveal.shares[i]);
    } else {
      output.notes.push_back(fmt::format(
          "left out: the share of {} that {} revealed isn't the one that {} committed to", name(of), site, name(of)));
    }
  }
  return {};
}

/// Returns true if this is the share that its sender committed to.
bool CoordinatorProtocol::committed_to(Rank holder, Rank of, const RevealedShare& share) const {
  const bool seed = std::ranges::binary_search(survivors_, of);
  const ShareCommitments& commitments = shares_.at(of).commitments[holder];
  const auto computed = share_commitment(cohort_, seed ? ShareOf::kSeed : ShareOf::kMaskKey, of, holder, share);
  return crypto::equal_in_constant_time(computed, seed ? commitments.seed_share : commitments.key_share);
}

bool CoordinatorProtocol::enough_shares() const {
  return revealed_.size() == sharers_.size() &&
         std::ranges::all_of(revealed_, [this](const auto& of) { return of.second.size() >= threshold(); });
}

Result<crypto::SecretBytes> CoordinatorProtocol::rebuild(Rank site) const {
  std::vector<ShareView> views;
  for (const auto& [holder, share] : revealed_.at(site)) {
    if (views.size() < threshold()) views.push_back({static_cast<std::uint8_t>(holder + 1), share});
  }
  return combine(views);
}

Result<void> CoordinatorProtocol::unmask() {
  for (const Rank rank : sharers_) {
    if (std::ranges::binary_search(survivors_, rank)) {
      CONSILIUM_TRY(add_seed_mask(rank));
    } else {
      CONSILIUM_TRY(add_pair_masks(rank));
    }
  }
  revealed_.clear();
  enter(Phase::kUnmasked, {});
  return {};
}

Result<void> CoordinatorProtocol::add_seed_mask(Rank site) {
  CONSILIUM_ASSIGN(const crypto::SecretBytes seed, rebuild(site));
  CONSILIUM_TRY(
      require(crypto::equal_in_constant_time(seed_commitment(cohort_, site, seed.bytes()), shares_.at(site).seed),
              fmt::format("the seed of {} isn't the one that it committed to", name(site))));
  CONSILIUM_ASSIGN(crypto::SecretBytes key, self_mask_key(seed, cohort_, site));
  masks_.push_back({std::move(key), true});
  return {};
}

/// Adds the pairwise masks that the survivors share with a site whose vector isn't in the sum.
Result<void> CoordinatorProtocol::add_pair_masks(Rank dropped) {
  CONSILIUM_ASSIGN(crypto::SecretBytes secret, rebuild(dropped));
  CONSILIUM_ASSIGN(const crypto::X25519KeyPair pair, crypto::X25519KeyPair::from_private(std::move(secret)));
  CONSILIUM_TRY(require(pair.public_key() == adverts_.adverts[dropped].mask_key,
                        fmt::format("the mask key of {} isn't the one that it advertised", name(dropped))));
  for (const Rank survivor : survivors_) {
    CONSILIUM_ASSIGN(const crypto::SecretBytes agreed, pair.agree(adverts_.adverts[survivor].mask_key));
    CONSILIUM_ASSIGN(crypto::SecretBytes key, pair_mask_key(agreed, cohort_, dropped, survivor));
    masks_.push_back({std::move(key), survivor < dropped});  // subtract if the survivor added it
  }
  return {};
}

std::vector<CoordinatorMessage> CoordinatorProtocol::owed(const std::string& site) const {
  if ((phase_ != Phase::kConfirming && phase_ != Phase::kUnmasking) || !awaited_.contains(site)) return {};
  std::vector<CoordinatorMessage> messages{Survivors{survivors_}};
  if (phase_ == Phase::kUnmasking) messages.emplace_back(unmask_request());
  return messages;
}

std::vector<MaskTerm> CoordinatorProtocol::take_masks() { return std::exchange(masks_, {}); }

std::vector<std::string> CoordinatorProtocol::survivors() const {
  std::vector<std::string> sites;
  for (const Rank rank : survivors_) sites.push_back(name(rank));
  return sites;
}

void CoordinatorProtocol::enter(Phase phase, std::set<std::string> awaited) {
  phase_ = phase;
  awaited_ = std::move(awaited);
}

void CoordinatorProtocol::give_up(std::string why) {
  enter(Phase::kFailed, {});
  masks_.clear();
  revealed_.clear();
  failure_ = {ErrorCode::kFailedPrecondition, std::move(why)};
}

std::optional<Rank> CoordinatorProtocol::rank_of(const std::string& site) const {
  const auto found = std::ranges::lower_bound(adverts_.adverts, site, {}, &Advert::site);
  if (found == adverts_.adverts.end() || found->site != site) return std::nullopt;
  return static_cast<Rank>(found - adverts_.adverts.begin());
}

std::set<std::string> CoordinatorProtocol::names(const std::vector<Rank>& ranks) const {
  std::set<std::string> sites;
  for (const Rank rank : ranks) sites.insert(name(rank));
  return sites;
}

Boxes CoordinatorProtocol::boxes_for(Rank site) const {
  Boxes boxes;
  for (const auto& [from, shares] : shares_) {
    // The sender leaves itself out, so entries after its own rank are shifted down by one.
    if (from != site) boxes.boxes.push_back({from, shares.boxes[site < from ? site : site - 1U]});
  }
  return boxes;
}

UnmaskRequest CoordinatorProtocol::unmask_request() const {
  UnmaskRequest request;
  for (const auto& [rank, signature] : confirmations_) request.confirmations.push_back({rank, signature});
  return request;
}

}  // namespace consilium::secagg
