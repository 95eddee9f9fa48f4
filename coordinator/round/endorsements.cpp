#include "coordinator/round/endorsements.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "common/job/cohort_rules.h"

namespace consilium::round {

Endorsements::Endorsements(const job::JobSpec& spec, secagg::CommitStatement statement,
                           std::shared_ptr<const secagg::Authenticator> authenticator)
    : spec_(&spec), groups_(job::count_groups(spec)), authenticator_(std::move(authenticator)) {
  commit_.statement = std::move(statement);
}

bool Endorsements::signed_by(const std::string& site) const {
  return std::ranges::find(commit_.signatures, site, &secagg::CommitSignature::site) != commit_.signatures.end();
}

Result<void> Endorsements::take(const std::string& site, std::span<const std::byte> bytes) {
  CONSILIUM_ASSIGN(secagg::SignedCommit own, secagg::decode_commit(bytes));
  if (own.signatures.size() != 1 || own.signatures.front().site != site)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("expected an endorsement with exactly one signature, that of {}", site));
  if (own.statement != commit_.statement) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("{} signed another outcome of {} {} than this coordinator has", site,
                            job::name_of(commit_.statement.kind), commit_.statement.round));
  }
  if (signed_by(site)) return {};
  secagg::CommitSignature& signature = own.signatures.front();
  CONSILIUM_TRY(authenticator_->check_certificate(site, signature.certificate));
  CONSILIUM_TRY(
      authenticator_->verify(signature.certificate, secagg::commit_bytes(commit_.statement), signature.signature));
  const auto place = std::ranges::lower_bound(commit_.signatures, site, {}, &secagg::CommitSignature::site);
  commit_.signatures.insert(place, std::move(signature));
  return {};
}

bool Endorsements::complete() const {
  std::size_t enough = 0;
  std::vector<bool> has_quorum;
  for (const auto& group : groups_) {
    const auto count =
        static_cast<std::size_t>(std::ranges::count_if(group, [&](const auto& site) { return signed_by(site); }));
    has_quorum.push_back(count >= secagg::commit_quorum(group.size(), job::colluding_sites(*spec_)));
    if (has_quorum.back()) ++enough;
  }
  const bool included = std::ranges::all_of(
      commit_.statement.groups, [&](const secagg::IncludedGroup& group) { return has_quorum.at(group.group); });
  return included && 2 * enough > groups_.size();
}

std::vector<std::string> Endorsements::missing() const {
  std::vector<std::string> names;
  for (const auto& group : groups_) {
    std::ranges::copy_if(group, std::back_inserter(names), [&](const std::string& site) { return !signed_by(site); });
  }
  return names;
}

}  // namespace consilium::round
