#include "common/secagg/agreement_coordinator.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "common/secagg/agreement_transcript.h"

namespace consilium::secagg {
namespace {

Result<void> require(bool holds, std::string why) {
  if (holds) return {};
  return fail(ErrorCode::kInvalidArgument, std::move(why));
}

/// Refuses a point of small order: its shared secret with every key is zero.
Result<void> check_agrees(const crypto::X25519PublicKey& key) {
  CONSILIUM_ASSIGN(crypto::SecretBytes any, crypto::SecretBytes::allocate(kSecretBytes));
  CONSILIUM_ASSIGN(const crypto::X25519KeyPair pair, crypto::X25519KeyPair::from_private(std::move(any)));
  CONSILIUM_TRY(pair.agree(key));
  return {};
}

bool same_boxes(const NumberBoxes& one, const NumberBoxes& other) {
  // Signing the same statement again gives a different signature, but not a different statement.
  const auto same = [](const NumberBox& a, const NumberBox& b) { return a.sealed == b.sealed; };
  return one.commitment == other.commitment && std::ranges::equal(one.boxes, other.boxes, same);
}

bool about_the_same(const Complaints& one, const Complaints& other) {
  const auto same = [](const Signed& a, const Signed& b) { return a.site == b.site; };
  return std::ranges::equal(one.about, other.about, same);
}

}  // namespace

std::string_view name_of(AgreementPhase phase) {
  constexpr std::string_view kNames[] = {"", "advertising", "sealing numbers", "checking numbers", "agreed", "failed"};
  return kNames[static_cast<std::size_t>(phase)];
}

AgreementCoordinator::AgreementCoordinator(AgreementSetup setup, const Authenticator& authenticator)
    : setup_(std::move(setup)), authenticator_(&authenticator) {}

Result<AgreementCoordinator> AgreementCoordinator::start(AgreementSetup setup, const Authenticator& authenticator) {
  CONSILIUM_TRY(check_setup(setup));
  return AgreementCoordinator(std::move(setup), authenticator);
}

std::set<std::string> AgreementCoordinator::awaited() const {
  std::set<std::string> sites;
  if (phase_ == AgreementPhase::kAdvertising) {
    for (const auto& group : setup_.groups) {
      for (const std::string& site : group) {
        if (!advertised_.contains(site)) sites.insert(site);
      }
    }
  }
  for (std::size_t i = 0; i < size(); ++i) {
    const auto rank = static_cast<Rank>(i);
    const bool seals = phase_ == AgreementPhase::kSealing && !boxes_.contains(rank);
    const bool opens = phase_ == AgreementPhase::kChecking && accusation_of(rank) && !opened_.contains(rank);
    const bool checks = phase_ == AgreementPhase::kChecking && !agreed_.contains(rank) && !waits_for_others(rank);
    if (seals || opens || checks) sites.insert(name(rank));
  }
  return sites;
}

AgreementOutput AgreementCoordinator::receive(const std::string& site, const AgreementSiteMessage& message) {
  AgreementOutput output;
  if (phase_ == AgreementPhase::kFailed || phase_ == AgreementPhase::kAgreed) return output;
  if (phase_ == AgreementPhase::kAdvertising) {
    const auto* advert = std::get_if<AgreementAdvert>(&message);
    const auto taken = advert != nullptr
                           ? take_advert(site, *advert)
                           : fail(ErrorCode::kInvalidArgument,
                                  fmt::format("unexpected {} while advertising", secagg::name_of(message)));
    if (!taken) output.refused.push_back({site, taken.error()});
    if (awaited().empty()) list_adverts(output);
    return output;
  }
  const auto rank = rank_of(list_, site);
  if (!rank) return output;  // its group isn't part of this agreement
  const auto taken = std::visit([&](const auto& body) { return on(*rank, body, output); }, message);
  if (!taken) {
    give_up({site}, taken.error().code,
            fmt::format("{} of {}: {}", secagg::name_of(message), site, taken.error().message));
    output.messages.clear();
  }
  return output;
}

Result<void> AgreementCoordinator::take_advert(const std::string& site, const AgreementAdvert& advert) {
  CONSILIUM_TRY(require(advert.site == site, fmt::format("advert of '{}', sent by {}", advert.site, site)));
  const auto lists = [&site](const auto& group) { return std::ranges::find(group, site) != group.end(); };
  CONSILIUM_TRY(require(std::ranges::any_of(setup_.groups, lists), site + " is in none of the job's groups"));
  CONSILIUM_TRY(authenticator_->check_certificate(site, advert.certificate));
  const crypto::Digest context = agreement_context(setup_.job, setup_.attempt);
  CONSILIUM_TRY(authenticator_->verify(advert.certificate, advert_statement(context, advert), advert.signature));
  CONSILIUM_TRY(check_agrees(advert.box_key));
  for (const auto& [name, other] : advertised_) {
    CONSILIUM_TRY(require(name == site || canonical(other.box_key) != canonical(advert.box_key),
                          fmt::format("its box key is that of {}", name)));
  }
  advertised_.insert_or_assign(site, advert);
  return {};
}

/// Handles a late advert. A repetition changes nothing; a different advert comes from a site that has lost its state.
Result<void> AgreementCoordinator::on(Rank from, const AgreementAdvert& advert, AgreementOutput&) {
  return require(advert == list_.adverts[from],
                 fmt::format("the site advertised another key while {}; it may have lost its state", name_of(phase_)));
}

void AgreementCoordinator::list_adverts(AgreementOutput& output) {
  std::vector<std::string> complete;
  for (const auto& group : setup_.groups) {
    const auto there = [this](const std::string& site) { return advertised_.contains(site); };
    if (std::ranges::all_of(group, there)) std::ranges::copy(group, std::back_inserter(complete));
  }
  groups_ = whole_groups(setup_, complete).value();
  if (2 * groups_.size() <= setup_.groups.size())
    return give_up(
        {}, ErrorCode::kFailedPrecondition,
        fmt::format("{} of the job's {} groups are complete; no round is committed without more than half of "
                    "them; missing: {}",
                    groups_.size(), setup_.groups.size(), fmt::join(awaited(), ", ")));
  const std::set<std::string> names(complete.begin(), complete.end());
  for (const std::string& site : names) list_.adverts.push_back(advertised_.at(site));
  sites_ = sites_context(agreement_context(setup_.job, setup_.attempt), list_);
  for (const std::string& site : names) output.messages.push_back({site, list_});
  phase_ = AgreementPhase::kSealing;
}

Result<void> AgreementCoordinator::on(Rank from, const NumberBoxes& boxes, AgreementOutput& output) {
  if (const auto said = boxes_.find(from); said != boxes_.end())
    return require(same_boxes(said->second, boxes), "the site has sent two different statements");
  CONSILIUM_TRY(require(boxes.boxes.size() + 1 == size(),
                        fmt::format("found {} boxes for {} other sites", boxes.boxes.size(), size() - 1)));
  for (std::size_t i = 0; i < boxes.boxes.size(); ++i) {
    const NumberBox& box = boxes.boxes[i];
    const auto statement = number_box_statement(sites_, from, other_rank(i, from), box.sealed, boxes.commitment);
    CONSILIUM_TRY(authenticator_->verify(certificate(from), statement, box.signature));
  }
  boxes_.emplace(from, boxes);
  if (boxes_.size() < size()) return {};
  phase_ = AgreementPhase::kChecking;
  for (std::size_t i = 0; i < size(); ++i) {
    const auto to = static_cast<Rank>(i);
    output.messages.push_back({name(to), boxes_for(to)});
  }
  return {};
}

Result<void> AgreementCoordinator::on(Rank from, const Complaints& complaints, AgreementOutput& output) {
  CONSILIUM_TRY(require(phase_ == AgreementPhase::kChecking, fmt::format("unexpected while {}", name_of(phase_))));
  if (const auto said = complaints_.find(from); said != complaints_.end())
    return require(about_the_same(said->second, complaints), "the site has sent two different statements");
  CONSILIUM_TRY(require(!agreed_.contains(from), "the site has already confirmed that it has the key"));
  for (const auto& [about, signature] : complaints.about) {
    CONSILIUM_TRY(require(about < size() && about != from, fmt::format("found rank {} among {} sites", about, size())));
    const auto statement = complaint_statement(sites_, from, about, boxes_.at(about).commitment);
    CONSILIUM_TRY(authenticator_->verify(certificate(from), statement, signature));
  }
  std::vector<Rank> accused;
  for (const auto& [about, signature] : complaints.about) {
    if (!accusation_of(about)) accused.push_back(about);
  }
  complaints_.emplace(from, complaints);
  std::size_t published = 0;
  for (std::size_t i = 0; i < size(); ++i) published += accusation_of(static_cast<Rank>(i)) ? 1 : 0;
  CONSILIUM_TRY(require(published < size(), "with this complaint every site's number would be published"));
  for (const Rank about : accused) output.messages.push_back({name(about), accusation_of(about).value()});
  if (!waits_for_others(from)) output.messages.push_back({name(from), openings_for(from)});
  return {};
}

Result<void> AgreementCoordinator::on(Rank from, const Opening& opening, AgreementOutput& output) {
  CONSILIUM_TRY(require(accusation_of(from).has_value(), "no site has complained about this site's box"));
  const crypto::Digest commitment = number_commitment(sites_, from, opening.number);
  CONSILIUM_TRY(require(commitment == boxes_.at(from).commitment, "the number isn't the one that it committed to"));
  if (!opened_.emplace(from, opening.number).second) return {};
  for (const auto& [complainer, complaints] : complaints_) {
    const bool waited = std::ranges::find(complaints.about, from, &Signed::site) != complaints.about.end();
    if (waited && !waits_for_others(complainer))
      output.messages.push_back({name(complainer), openings_for(complainer)});
  }
  return {};
}

Result<void> AgreementCoordinator::on(Rank from, const Agreed& agreed, AgreementOutput&) {
  CONSILIUM_TRY(require(phase_ == AgreementPhase::kChecking && !waits_for_others(from),
                        fmt::format("the site can't have the key yet, while {}", name_of(phase_))));
  if (const auto said = agreed_.find(from); said != agreed_.end())
    return require(said->second == agreed.confirmation, "the site has sent two different statements");
  const auto statement = agreed_statement(sites_, from, agreed.confirmation);
  CONSILIUM_TRY(authenticator_->verify(certificate(from), statement, agreed.signature));
  agreed_.emplace(from, agreed.confirmation);
  if (agreed_.size() == size()) compare_confirmations();
  return {};
}

/// Fails the try if confirmations differ. All sites were given numbers that fit the same commitments, so honest sites
/// have the same key, and a site that differs from the majority is lying.
void AgreementCoordinator::compare_confirmations() {
  std::map<crypto::Digest, std::size_t> counts;
  for (const auto& [rank, confirmation] : agreed_) ++counts[confirmation];
  const auto most = std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; });
  std::vector<std::string> others;
  for (const auto& [rank, confirmation] : agreed_) {
    if (confirmation != most->first) others.push_back(name(rank));
  }
  if (!others.empty()) {
    const std::string names = fmt::format("{}", fmt::join(others, ", "));
    return give_up(others, ErrorCode::kFailedPrecondition,
                   fmt::format("the key of {} differs from the key of {} other sites", names, most->second));
  }
  confirmation_ = most->first;
  phase_ = AgreementPhase::kAgreed;
}

AgreementOutput AgreementCoordinator::close() {
  AgreementOutput output;
  if (phase_ == AgreementPhase::kAdvertising) {
    list_adverts(output);
  } else if (phase_ == AgreementPhase::kSealing || phase_ == AgreementPhase::kChecking) {
    const std::set<std::string> silent = awaited();
    give_up({silent.begin(), silent.end()}, ErrorCode::kDeadlineExceeded,
            fmt::format("no answer from {} while {}", fmt::join(silent, ", "), name_of(phase_)));
  }
  return output;
}

std::vector<AgreementCoordinatorMessage> AgreementCoordinator::unanswered(const std::string& site) const {
  std::vector<AgreementCoordinatorMessage> messages;
  const auto rank = rank_of(list_, site);
  if (!rank) return messages;
  if (phase_ == AgreementPhase::kSealing && !boxes_.contains(*rank)) messages.emplace_back(list_);
  if (phase_ != AgreementPhase::kChecking) return messages;
  if (!agreed_.contains(*rank) && !complaints_.contains(*rank)) messages.emplace_back(boxes_for(*rank));
  const auto accusation = accusation_of(*rank);
  if (accusation && !opened_.contains(*rank)) messages.emplace_back(*accusation);
  if (!agreed_.contains(*rank) && complaints_.contains(*rank) && !waits_for_others(*rank))
    messages.emplace_back(openings_for(*rank));
  return messages;
}

bool AgreementCoordinator::waits_for_others(Rank rank) const {
  const auto complaints = complaints_.find(rank);
  if (complaints == complaints_.end()) return false;
  return !std::ranges::all_of(complaints->second.about,
                              [this](const Signed& one) { return opened_.contains(one.site); });
}

DeliveredBoxes AgreementCoordinator::boxes_for(Rank site) const {
  DeliveredBoxes delivered;
  for (const auto& [from, boxes] : boxes_) {
    if (from != site) delivered.boxes.push_back({boxes.commitment, boxes.boxes[index_of_other(site, from)]});
  }
  return delivered;
}

Openings AgreementCoordinator::openings_for(Rank site) const {
  Openings openings;
  for (const auto& [about, signature] : complaints_.at(site).about) {
    openings.numbers.push_back({about, opened_.at(about)});
  }
  return openings;
}

std::optional<Accusation> AgreementCoordinator::accusation_of(Rank site) const {
  for (const auto& [from, complaints] : complaints_) {
    const auto about = std::ranges::find(complaints.about, site, &Signed::site);
    if (about != complaints.about.end()) return Accusation{from, about->signature};
  }
  return std::nullopt;
}

void AgreementCoordinator::give_up(std::vector<std::string> blamed, ErrorCode code, std::string why) {
  phase_ = AgreementPhase::kFailed;
  blamed_ = std::move(blamed);
  failure_ = {code, "agreement on a key: " + std::move(why)};
}

}  // namespace consilium::secagg
