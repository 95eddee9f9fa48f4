// The driver's functions for mode masked-threshold: sites agree on masks while they work, and the survivors remove
// them.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "common/logging/event.h"
#include "coordinator/round/job_driver.h"
#include "coordinator/round/round_steps.h"

namespace consilium::round {
namespace {

/// How long the sites of a session may take to advertise their keys, and then to share them.
constexpr Clock::duration kKeyAgreementLimit = std::chrono::seconds(60);

}  // namespace

void JobDriver::follow(secagg::Output output, TimePoint now) {
  const job::SessionKey key = sum_->key();
  const unsigned phase = sum_->key_phase();
  if (phase != key_phase_) {
    key_phase_ = phase;
    key_phase_since_ = now;
  }
  for (const std::string& note : output.notes)
    logging::event(logging::Event::kMaskingFailed, {.job = job_id_, .round = key.round},
                   fmt::format("{}: {}", job::to_string(key), note));
  for (const auto& [site, message] : output.messages) send_masking(site, message);
  for (const auto& [site, error] : output.lost) {
    logging::event(logging::Event::kSiteLeftOut, {.job = job_id_, .site = site, .round = key.round},
                   fmt::format("{}: site {}: {}", job::to_string(key), site, error.message));
    lost_sites_.emplace(site, error.message);
    put_out(site, key, error.message, now);
  }
  if (sum_ && sum_->key() == key) settle_masks(now);
}

void JobDriver::settle_masks(TimePoint now) {
  const job::SessionKey key = sum_->key();
  const bool asked = std::holds_alternative<Unmasking>(state_.phase);
  if (const auto reason = sum_->spoiled()) {
    if (asked) {
      handle(UnmaskingFailed{key, with_lost_sites(*reason)}, now);
    } else {
      handle(SumSpoiled{key, with_lost_sites(*reason)}, now);
    }
  } else if (asked) {
    if (sum_->unmaskable()) take_masks_off(now);
  } else {
    for (const auto& [site, reason] : sum_->stranded()) {
      if (!admits(state_, site, key)) continue;
      put_out(site, key, reason, now);
    }
  }
}

void JobDriver::take_masks_off(TimePoint now) {
  const job::SessionKey key = sum_->key();
  auto left_out = sum_->unmask(parts_.threads);
  if (left_out) {
    // Sites in failed groups that have confirmed would otherwise wait in vain.
    for (const auto& [site, reason] : *left_out) parts_.gateway.send(site, wire::SessionClosed{key, reason});
    handle(Unmasked{key, *std::move(left_out)}, now);
  } else {
    handle(UnmaskingFailed{key, with_lost_sites(left_out.error().message)}, now);
  }
}

std::optional<TimePoint> JobDriver::keys_due() const {
  if (!sum_ || sum_->key_phase() == 0) return std::nullopt;
  return key_phase_since_ + std::min(kKeyAgreementLimit, state_.rules.deadline / 3);
}

void JobDriver::send_masking(const std::string& site, const secagg::CoordinatorMessage& message) {
  std::vector<std::byte> bytes = secagg::encode(message);
  board_.add_bytes(bytes.size());
  parts_.gateway.send(site, wire::Masking{sum_->key(), std::move(bytes)});
}

void JobDriver::remind(const std::string& site) {
  if (!sum_) return;
  for (const secagg::CoordinatorMessage& message : sum_->owed(site)) send_masking(site, message);
}

void JobDriver::lose(const std::string& site, const job::SessionKey& key, const std::string& reason, TimePoint now) {
  if (!sum_ || sum_->key() != key) return;
  lost_sites_.emplace(site, reason);
  follow(sum_->lose(site), now);
}

std::string JobDriver::with_lost_sites(const std::string& why) const {
  ReasonList reasons;
  for (const auto& [site, reason] : lost_sites_) reasons.add(site, reason);
  return lost_sites_.empty() ? why : why + ": " + reasons.text();
}

void JobDriver::put_out(const std::string& site, const job::SessionKey& key, const std::string& reason, TimePoint now) {
  parts_.gateway.send(site, wire::SessionClosed{key, reason});
  handle(Failed{site, key, reason}, now);
}

void JobDriver::carry_out(const UnmaskSum& action, TimePoint) {
  if (!masked_) {
    auto left_out = sum_->unmask(parts_.threads);
    if (left_out) {
      follow_up_.push_back(Unmasked{action.key, *std::move(left_out)});
    } else {
      follow_up_.push_back(SumSpoiled{action.key, left_out.error().message});
    }
    return;
  }
  const secagg::Output output = sum_->close_uploads();
  for (const auto& [site, message] : output.messages) send_masking(site, message);
  if (const auto reason = sum_->spoiled()) follow_up_.push_back(SumSpoiled{action.key, with_lost_sites(*reason)});
}

}  // namespace consilium::round
