#include "client/approval/job_gate.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "client/approval/job_in_words.h"
#include "client/policy/roster_check.h"
#include "common/job/atlas_file.h"
#include "common/job/job_text.h"
#include "common/pki/authority.h"

namespace consilium::approval {
namespace {

Verdict declined(const SignedJob& job, std::string reason, std::string log) {
  Verdict verdict;
  verdict.reason = std::move(reason);
  verdict.log = std::move(log);
  verdict.researcher = job.researcher;
  verdict.digest = job.digest;
  return verdict;
}

/// Declines because of a problem at this site. The coordinator learns only that there is one.
Verdict failed(const SignedJob& job, const Error& error) { return declined(job, "internal", error.message); }

/// Fails if the site has no such file, or a different one. The trainer again verifies the bytes that it uses.
Result<void> check_atlas(const job::AtlasSpec& atlas, const std::map<std::string, std::string>& files) {
  const auto found = files.find(atlas.name);
  if (found == files.end())
    return fail(ErrorCode::kNotFound, fmt::format("this site has no atlas '{}' (client.yaml: atlases)", atlas.name));
  const auto bytes = job::read_atlas_file(found->second, atlas.sha256);
  if (!bytes) return fail(bytes.error().within("client.yaml: atlases." + atlas.name));
  return {};
}

std::string reason_of(const Error& error) {
  return error.code == ErrorCode::kAlreadyExists       ? "job_id"
         : error.code == ErrorCode::kResourceExhausted ? "maximum_sums"
                                                       : "internal";
}

}  // namespace

std::string population_of(const job::JobSpec& job, const roster::Roster* roster) {
  if (job.population) return job.population->name;
  const roster::Population* found = roster != nullptr ? roster::population_of(*roster, job.data.dataset) : nullptr;
  return found != nullptr ? found->name : job.data.dataset;
}

std::vector<std::string> names_before(const job::JobSpec& job, const roster::Roster* roster) {
  const roster::Population* found = roster != nullptr ? roster::population_of(*roster, job.data.dataset) : nullptr;
  return found != nullptr ? found->datasets : std::vector<std::string>{};
}

Verdict JobGate::examine(const wire::JobOffer& offer, const std::string& coordinator, const SiteRules& rules) {
  SignedJob job{job::digest_of_text(offer.spec), {}};
  auto researcher = signer_of(offer, job.digest, coordinator, rules);
  if (!researcher) return declined(job, "signature", researcher.error().message);
  job.researcher = std::move(*researcher);
  auto spec = job::parse_job(offer.spec, "job " + offer.job_id);
  if (!spec) return declined(job, "spec", spec.error().message);
  if (job::job_digest(*spec) != job.digest) {
    return declined(job, "spec", "the job's text isn't in canonical form");  // check: canonical-offer
  }
  const policy::Judgement judgement = rules.policy.judge(*spec, job.digest, job.researcher);
  if (!judgement.refusals.empty())
    return declined(job, policy::keys_of(judgement.refusals), policy::texts_of(judgement.refusals));
  if (std::ranges::find(rules.datasets, spec->data.dataset) == rules.datasets.end())
    return declined(job, "datasets",
                    fmt::format("this site has no data set '{}' (client.yaml: datasets)", spec->data.dataset));
  if (spec->data.atlas) {
    if (const auto there = check_atlas(*spec->data.atlas, rules.atlases); !there)
      return declined(job, "atlases", there.error().message);
  }
  const auto before = parts_.approvals.accepted(job.digest);
  if (!before) return failed(job, before.error());
  if (const auto sites = policy::check_roster(*spec, rules.roster, rules.site, rules.key, before->has_value());
      !sites) {
    return declined(job, "roster", sites.error().message);  // check: roster
  }
  // Links and files may have changed since the daemon started.
  if (const auto data = parts_.claim_data(rules.roster, spec->data.dataset); !data) {
    return declined(job, "datasets", data.error().message);  // check: data-at-offer
  }
  return decide(offer, std::move(*spec), job, judgement.approval, rules);
}

Result<std::string> JobGate::signer_of(const wire::JobOffer& offer, const crypto::Digest& digest,
                                       const std::string& coordinator, const SiteRules& rules) const {
  CONSILIUM_ASSIGN(const pki::Identity signer, pki::identity_of_certificate(offer.signature.certificate));
  CONSILIUM_ASSIGN(const bool seen, parts_.approvals.has_seen({digest, signer.name}));
  return job::check_job_signature(
      offer.signature, digest, !seen,
      {parts_.consortium, coordinator, &rules.roster.researchers, parts_.trust.get(), parts_.now()});
}

Verdict JobGate::decide(const wire::JobOffer& offer, job::JobSpec spec, const SignedJob& job,
                        const std::string& approval, const SiteRules& rules) {
  const auto decision = parts_.approvals.decision(job);
  if (!decision) return failed(job, decision.error());
  if (*decision && !(*decision)->approved)
    return declined(job, "declined", fmt::format("{} at this site declined it", (*decision)->by));
  const Offer kept{job, offer.job_id, offer.spec, parts_.now()};
  if (const auto keeping = parts_.approvals.keep(kept); !keeping) return declined(job, "busy", keeping.error().message);
  Verdict verdict;
  verdict.researcher = job.researcher;
  verdict.digest = job.digest;
  if (!approval.empty() && !*decision) {
    verdict.consent = wire::JobConsent::kWaits;
    if (waiting_.size() < kMaxWaitingOffers) waiting_.insert_or_assign(offer.job_id, kept);
    verdict.log = fmt::format("{}; see: consilium-client show {}", approval, crypto::to_hex(job.digest).substr(0, 8));
    return verdict;
  }
  if (const auto bound = bind(offer.job_id, spec, job, rules); !bound)
    return declined(job, reason_of(bound.error()), bound.error().message);
  verdict.consent = wire::JobConsent::kAccepted;
  verdict.log = *decision ? fmt::format("approved by {}", (*decision)->by) : "accepted by the policy";
  verdict.spec = std::move(spec);
  return verdict;
}

Result<void> JobGate::ended(const std::string& job_id) {
  CONSILIUM_TRY(parts_.approvals.withdraw(job_id));
  const auto over = waiting_.extract(job_id);
  if (over.empty()) return {};
  const auto other =
      std::ranges::find_if(waiting_, [&](const auto& one) { return one.second.job == over.mapped().job; });
  return other == waiting_.end() ? Result<void>() : parts_.approvals.keep(other->second);
}

Result<void> JobGate::bind(const std::string& job_id, const job::JobSpec& spec, const SignedJob& job,
                           const SiteRules& rules) {
  const Accepted accepted{job.digest, job_id, population_of(spec, &rules.roster), releases_of(spec).total()};
  CountedBefore before{names_before(spec, &rules.roster), 0};
  CONSILIUM_ASSIGN(before.given, parts_.sums_given(accepted.population));
  return parts_.approvals.accept(accepted, rules.policy.rules().maximum_sums, before);
}

}  // namespace consilium::approval
