#include "coordinator/round/group_sums.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/job/cohort_rules.h"
#include "common/job/round_order.h"
#include "common/secagg/group_messages.h"
#include "common/secagg/group_transcript.h"

namespace consilium::round {
namespace {

/// How long the members of a group may take to advertise their keys.
constexpr Clock::duration kAdvertLimit = std::chrono::seconds(60);
/// Number of consecutive failures, not counting lost connections, after which a group is given up for this sum.
constexpr std::uint32_t kMaxFailures = 5;
constexpr Clock::duration kFirstPause = std::chrono::seconds(1);

/// Number of words that follow the vector itself if it is masked: its tag.
constexpr std::size_t kTagWords = secagg::kTagBytes / sizeof(std::uint32_t);

/// The first words of a longer vector.
class FirstWords final : public aggregation::WordSource {
 public:
  FirstWords(aggregation::WordSource& all, std::uint64_t count) : all_(all), count_(count) {}
  [[nodiscard]] std::uint64_t word_count() const override { return count_; }
  Result<void> read(std::span<std::uint32_t> words) override { return all_.read(words); }

 private:
  aggregation::WordSource& all_;
  std::uint64_t count_;
};

}  // namespace

Result<GroupSums> GroupSums::create(std::string job_id, const job::JobSpec& spec, GroupSumPlan plan,
                                    std::optional<GroupMasks> masks, std::optional<aggregation::StreamingSum> former) {
  GroupSums sums(std::move(job_id), spec, std::move(plan), std::move(masks));
  const auto groups = job::count_groups(spec);
  for (const std::uint32_t index : sums.plan_.groups) {
    if (index >= groups.size()) return fail(ErrorCode::kInternal, fmt::format("the job has no group {}", index));
    Group group;
    group.index = index;
    group.members = groups[index];
    sums.groups_.push_back(std::move(group));
  }
  if (sums.groups_.empty()) return fail(ErrorCode::kInternal, "a sum needs at least one group");
  const job::SessionKey key{sums.job_id_, sums.plan_.kind, sums.plan_.round, 1};
  CONSILIUM_ASSIGN(const job::RoundOrder order,
                   job::expected_order(spec, key, 0, sums.plan_.model, sums.groups_.front().index, sums.plan_.labels));
  sums.layout_ = order.layout;
  CONSILIUM_ASSIGN(sums.total_, aggregation::StreamingSum::create(sums.layout_));
  sums.former_ = std::move(former);
  return sums;
}

job::SessionKey GroupSums::key_of(const Group& group) const {
  return {job_id_, plan_.kind, plan_.round, group.attempt};
}

GroupSums::Group* GroupSums::group_of(const std::string& site) {
  const auto found = std::ranges::find_if(
      groups_, [&](const Group& group) { return std::ranges::binary_search(group.members, site); });
  return found == groups_.end() ? nullptr : &*found;
}

const GroupSums::Group* GroupSums::group_of(const std::string& site) const {
  return const_cast<GroupSums*>(this)->group_of(site);
}

std::uint64_t GroupSums::word_count() const { return layout_.word_count() + (masks_ ? kTagWords : 0); }

GroupOutput GroupSums::advance(const Ready& ready, TimePoint now) {
  GroupOutput output;
  for (Group& group : groups_) {
    if (group.stage == Stage::kOpen) check_time(group, now, output);
    if (group.stage != Stage::kWaiting || now < group.next_try) continue;
    if (std::ranges::all_of(group.members, ready)) begin(group, now, output);
  }
  return output;
}

void GroupSums::begin(Group& group, TimePoint now, GroupOutput& output) {
  ++group.attempt;
  const auto order = job::expected_order(*spec_, key_of(group), 0, plan_.model, group.index, plan_.labels);
  auto sum = aggregation::StreamingSum::create(layout_, std::exchange(former_, std::nullopt));
  if (!order || !sum) {
    end_attempt(group, order ? sum.error().message : order.error().message, true, now, output);
    return;
  }
  group.stage = Stage::kOpen;
  group.sum = *std::move(sum);
  group.uploaded.clear();
  group.tag = 0;
  group.phase_since = now;
  group.deadline = now + plan_.deadline;
  group.masks.reset();
  if (masks_) {
    secagg::GroupCoordinatorSetup setup{secagg::attempt_context(*order, masks_->confirmation), group.members,
                                        job::colluding_sites(*spec_)};
    group.masks.emplace(std::move(setup), *masks_->authenticator);
  }
  const std::vector<std::byte> encoded = job::encode(*order);
  for (const std::string& site : group.members)
    output.messages.emplace_back(site, wire::SessionOffer{key_of(group), encoded, plan_.model_bytes});
}

void GroupSums::end_attempt(Group& group, const std::string& reason, bool counts, TimePoint now, GroupOutput& output) {
  for (const std::string& site : group.members)
    output.messages.emplace_back(site, wire::SessionClosed{key_of(group), reason});
  output.notes.push_back(fmt::format("{}: group {}: {}", job::to_string(key_of(group)), group.index, reason));
  group.stage = Stage::kWaiting;
  group.sum.reset();
  group.masks.reset();
  group.last_failure = reason;
  group.next_try = now;
  if (!counts) return;
  ++group.failures;
  group.next_try = now + kFirstPause * (1 << std::min(group.failures - 1, 6U));
  if (group.failures < kMaxFailures) return;
  group.stage = Stage::kGivenUp;
  output.given_up[group.index] = reason;
}

void GroupSums::follow(Group& group, secagg::GroupOutput from, TimePoint now, GroupOutput& output) {
  for (auto& [site, message] : from.messages)
    output.messages.emplace_back(site, wire::Masking{key_of(group), secagg::encode(message)});
  if (!from.messages.empty()) group.phase_since = now;
  for (const std::string& note : from.notes) output.notes.push_back(note);
  if (group.masks->phase() != secagg::GroupPhase::kFailed) return;
  std::string reason = group.masks->failure().message;
  for (const auto& [site, error] : from.lost) reason = fmt::format("{}: {}", site, error.message);
  end_attempt(group, reason, true, now, output);
}

GroupOutput GroupSums::receive(const std::string& site, const wire::Masking& step, TimePoint now) {
  GroupOutput output;
  Group* group = group_of(site);
  if (group == nullptr || group->stage != Stage::kOpen || !group->masks || key_of(*group) != step.key) return output;
  const auto advert = secagg::decode_group_advert(step.message);
  if (advert) {
    follow(*group, group->masks->receive(site, *advert), now, output);
  } else {
    end_attempt(*group, fmt::format("{}: {}", site, advert.error().message), true, now, output);
  }
  return output;
}

Result<void> GroupSums::admits(const std::string& site, const job::SessionKey& key) const {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::kFailedPrecondition, fmt::format("{}: {}: {}", job::to_string(key), site, why));
  };
  const Group* group = group_of(site);
  if (group == nullptr) return refuse("the site is in no group of this sum");
  if (group->stage == Stage::kComplete) return refuse("its group is complete");
  if (group->stage != Stage::kOpen) return refuse("its group's attempt has ended");
  if (key_of(*group) != key) return refuse(fmt::format("attempt {} is open", group->attempt));
  if (group->uploaded.contains(site)) return refuse("the site has answered already");
  if (group->masks && !group->masks->admits_upload(site))
    return refuse(fmt::format("no vector is accepted while {}", secagg::name_of(group->masks->phase())));
  return {};
}

Result<void> GroupSums::fold(Group& group, aggregation::WordSource& words) {
  FirstWords vector(words, layout_.word_count());
  CONSILIUM_TRY(group.sum->fold(vector));
  if (!masks_) return {};
  std::array<std::uint32_t, kTagWords> tag{};
  CONSILIUM_TRY(words.read(tag));
  const std::uint64_t value = tag[0] | std::uint64_t{tag[1]} << 32;
  if (value >= secagg::kFieldPrime) return fail(ErrorCode::kInvalidArgument, "a tag must be below 2^61 - 1");
  group.tag = secagg::field_add(group.tag, value);
  return {};
}

Result<void> GroupSums::complete(Group& group, GroupOutput& output) {
  // The first group's sum becomes the total. Until then no page of the total's memory has been touched.
  if (total_->contributors() == 0) {
    std::swap(*total_, *group.sum);
  } else {
    CONSILIUM_TRY(total_->add(*group.sum));
  }
  if (group.masks) group.cohort = group.masks->cohort();
  group.sum.reset();
  group.masks.reset();
  group.stage = Stage::kComplete;
  output.complete.push_back(group.index);
  return {};
}

Result<GroupOutput> GroupSums::take(const std::string& site, const job::SessionKey& key, aggregation::WordSource& words,
                                    TimePoint now) {
  CONSILIUM_TRY(admits(site, key));
  if (words.word_count() != word_count()) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: found a vector of {} words from {}, expected {}",
                                                         job::to_string(key), words.word_count(), site, word_count()));
  }
  GroupOutput output;
  Group& group = *group_of(site);
  if (const auto folded = fold(group, words); !folded) {
    end_attempt(group, fmt::format("the vector of {}: {}", site, folded.error().message), true, now, output);
    return output;
  }
  group.uploaded.insert(site);
  if (group.masks) group.masks->uploaded(site);
  if (group.uploaded.size() == group.members.size()) {
    if (const auto added = complete(group, output); !added) return fail(added.error());
  }
  return output;
}

GroupOutput GroupSums::lose(const std::string& site, const std::string& reason, bool gone, TimePoint now) {
  GroupOutput output;
  Group* group = group_of(site);
  // Once a site's vector has arrived, the group no longer needs the site.
  if (group == nullptr || group->stage != Stage::kOpen || group->uploaded.contains(site)) return output;
  end_attempt(*group, fmt::format("{}: {}", site, reason), !gone, now, output);
  return output;
}

bool GroupSums::working() const {
  return std::ranges::any_of(groups_, [](const Group& group) { return group.stage == Stage::kOpen; });
}

GroupOutput GroupSums::give_up(std::uint32_t index, const std::string& reason, TimePoint now) {
  GroupOutput output;
  const auto found = std::ranges::find(groups_, index, &Group::index);
  if (found == groups_.end() || found->stage == Stage::kComplete || found->stage == Stage::kGivenUp) return output;
  if (found->stage == Stage::kOpen) end_attempt(*found, reason, false, now, output);
  found->stage = Stage::kGivenUp;
  found->last_failure = reason;
  output.given_up[index] = reason;
  return output;
}

std::optional<job::SessionKey> GroupSums::attempt_of(const std::string& site) const {
  const Group* group = group_of(site);
  if (group == nullptr || group->stage != Stage::kOpen) return std::nullopt;
  return key_of(*group);
}

GroupOutput GroupSums::close(const std::string& reason) {
  GroupOutput output;
  for (Group& group : groups_) {
    if (group.stage == Stage::kOpen) end_attempt(group, reason, false, TimePoint{}, output);
    if (group.stage == Stage::kWaiting) group.stage = Stage::kGivenUp;
  }
  return output;
}

void GroupSums::check_time(Group& group, TimePoint now, GroupOutput& output) {
  const auto when = due(group);
  if (!when || now < *when) return;
  if (group.masks) {
    follow(group, group.masks->close_phase(), now, output);
    return;
  }
  std::vector<std::string> missing;
  std::ranges::set_difference(group.members, group.uploaded, std::back_inserter(missing));
  end_attempt(group, fmt::format("no vector from {} arrived in time", fmt::join(missing, ", ")), true, now, output);
}

std::optional<TimePoint> GroupSums::due(const Group& group) const {
  if (group.stage == Stage::kWaiting) return group.failures > 0 ? std::optional(group.next_try) : std::nullopt;
  if (group.stage != Stage::kOpen) return std::nullopt;
  const bool advertising = group.masks && group.masks->phase() == secagg::GroupPhase::kAdvertising;
  if (!advertising) return group.deadline;
  return std::min(group.deadline, group.phase_since + std::min(kAdvertLimit, plan_.deadline / 3));
}

std::optional<TimePoint> GroupSums::wakeup() const {
  std::optional<TimePoint> next;
  for (const Group& group : groups_) {
    const auto when = due(group);
    if (when && (!next || *when < *next)) next = when;
  }
  return next;
}

std::string GroupSums::waiting(const Group& group, const Ready& ready, const Naming& named) {
  std::vector<std::string> missing;
  for (const std::string& site : group.members) {
    if (!ready(site)) missing.push_back(named(site));
  }
  if (!missing.empty() && group.stage != Stage::kOpen)
    return fmt::format("waits for {}; it goes on when all sites of the group are connected", fmt::join(missing, ", "));
  if (group.stage == Stage::kGivenUp) return group.last_failure;
  if (group.stage == Stage::kWaiting) return fmt::format("begins anew after: {}", group.last_failure);
  std::string text = fmt::format("{} of {} vectors have arrived", group.uploaded.size(), group.members.size());
  if (group.uploaded.empty()) return text;
  std::vector<std::string> computing;
  std::ranges::set_difference(group.members, group.uploaded, std::back_inserter(computing));
  return text + fmt::format(", still missing: {}", fmt::join(computing, ", "));
}

std::string GroupSums::waiting(const Ready& ready, const Naming& named) const {
  std::string text;
  for (const Group& group : groups_) {
    if (group.stage == Stage::kComplete) continue;
    const std::string name = groups_.size() > 1 ? fmt::format("group {}: ", group.index + 1) : "";
    text.append(text.empty() ? "" : "; ").append(name).append(waiting(group, ready, named));
  }
  return text;
}

std::vector<wire::IncludedSum> GroupSums::included() const {
  std::vector<wire::IncludedSum> sums;
  for (const Group& group : groups_) {
    if (group.stage == Stage::kComplete) sums.push_back({group.index, group.cohort, group.tag});
  }
  return sums;
}

}  // namespace consilium::round
