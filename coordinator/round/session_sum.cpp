#include "coordinator/round/session_sum.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/encoding/fixed_point.h"
#include "common/secagg/mask.h"
#include "common/secagg/transcript.h"

namespace consilium::round {

namespace {

using secagg::Output;
using MaskPhase = secagg::Phase;

void append(Output& to, Output from) {
  std::ranges::move(from.messages, std::back_inserter(to.messages));
  std::ranges::move(from.lost, std::back_inserter(to.lost));
  std::ranges::move(from.notes, std::back_inserter(to.notes));
}

}  // namespace

Result<SessionSum> SessionSum::create(job::SessionKey key, std::vector<Group> groups,
                                      std::shared_ptr<const task::Task> task, bool told,
                                      const std::optional<Masks>& masks, std::optional<SessionSum> former) {
  SessionSum session(std::move(key), std::move(task), told);
  for (Group& group : groups) {
    std::optional<aggregation::StreamingSum> memory;
    if (former) memory = std::move(std::exchange(former, std::nullopt)->sum());
    CONSILIUM_ASSIGN(aggregation::StreamingSum sum,
                     aggregation::StreamingSum::create(group.order.layout, std::move(memory)));
    Part part{{group.sites.begin(), group.sites.end()}, std::move(sum), std::nullopt};
    if (masks) {
      secagg::CoordinatorSetup setup{secagg::attempt_context(group.order), std::move(group.sites), masks->colluding,
                                     session.key_.kind == job::SumKind::kEvaluate};
      part.masks.emplace(std::move(setup), *masks->authenticator);
    }
    session.parts_.push_back(std::move(part));
  }
  if (session.parts_.empty()) return fail(ErrorCode::kInternal, "a session needs at least one group");
  return session;
}

SessionSum::Part* SessionSum::part_of(const std::string& site) {
  const auto found = std::ranges::find_if(parts_, [&](const Part& part) { return part.sites.contains(site); });
  return found == parts_.end() ? nullptr : &*found;
}

const SessionSum::Part* SessionSum::part_of(const std::string& site) const {
  return const_cast<SessionSum*>(this)->part_of(site);
}

bool SessionSum::intact() const {
  return std::ranges::all_of(parts_, [](const Part& part) { return part.sum.intact(); });
}

Result<void> SessionSum::admits(const std::string& site) const {
  const Part* part = part_of(site);
  if (part == nullptr) return fail(ErrorCode::kPermissionDenied, fmt::format("{} is in no group of this sum", site));
  if (part->masks && !part->masks->admits_upload(site)) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("{} may not send its vector while {}", site, secagg::name_of(part->masks->phase())));
  }
  return {};
}

Result<std::optional<std::uint64_t>> SessionSum::take(const std::string& site, aggregation::WordSource& words) {
  CONSILIUM_TRY(admits(site));
  Part& part = *part_of(site);
  if (words.word_count() != word_count()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("found a vector of {} words, expected {}", words.word_count(), word_count()));
  }
  if (told_ && key_.kind != job::SumKind::kTrain) return take_counts(site, part.sum, words);
  CONSILIUM_TRY(part.sum.fold(words));
  if (part.masks) part.masks->uploaded(site);
  return std::optional<std::uint64_t>();
}

/// Counts are few, so they are read completely and checked before they are folded.
Result<std::optional<std::uint64_t>> SessionSum::take_counts(const std::string& site, aggregation::StreamingSum& sum,
                                                             aggregation::WordSource& words) {
  std::vector<std::uint32_t> held(words.word_count());
  CONSILIUM_TRY(words.read(held));
  if (std::any_of(held.begin(), held.end(), [](std::uint32_t word) { return word > 0xFFFF; })) {
    return fail(ErrorCode::kDataLoss, "a limb of a count has more than 16 bits");
  }
  std::optional<std::uint64_t> examples;
  if (key_.kind == job::SumKind::kCensus) {
    const encoding::Field* field = sum.layout().find(encoding::kExamples);
    if (field == nullptr) return fail(ErrorCode::kInternal, "the layout of a census lacks the field for examples");
    std::vector<std::uint64_t> splits(field->elements);
    CONSILIUM_TRY(encoding::decode_counts(std::span(held).subspan(field->offset, field->words()), *field, splits));
    examples = splits[0];
  } else {
    auto metrics = task::metrics_from_words(*task_, sum.layout(), held);
    if (!metrics && metrics.error().code != ErrorCode::kFailedPrecondition) return fail(std::move(metrics).error());
    if (metrics) site_metrics_[site] = *std::move(metrics);
    CONSILIUM_TRY(task::alone_metrics_from_words(*task_, sum.layout(), held));
  }
  aggregation::MemoryWords source(held);
  CONSILIUM_TRY(sum.fold(source));
  return examples;
}

Output SessionSum::receive(const std::string& site, const secagg::SiteMessage& message) {
  Part* part = part_of(site);
  if (part != nullptr && part->masks) return part->masks->receive(site, message);
  Output output;
  output.lost.push_back({site, {ErrorCode::kInvalidArgument, "a session without masks accepts no masking message"}});
  return output;
}

Output SessionSum::lose(const std::string& site) {
  Part* part = part_of(site);
  return part != nullptr && part->masks ? part->masks->lose(site) : Output{};
}

Output SessionSum::close_key_agreement() {
  Output output;
  for (Part& part : parts_) {
    const bool agreeing = part.masks && part.masks->phase() < MaskPhase::kUploading;
    if (agreeing) append(output, part.masks->close_phase());
  }
  return output;
}

unsigned SessionSum::key_phase() const {
  unsigned earliest = 0;
  for (const Part& part : parts_) {
    if (!part.masks || part.masks->phase() >= MaskPhase::kUploading) continue;
    const auto phase = static_cast<unsigned>(part.masks->phase());
    earliest = earliest == 0 ? phase : std::min(earliest, phase);
  }
  return earliest;
}

std::map<std::string, std::string> SessionSum::stranded() const {
  std::map<std::string, std::string> sites;
  for (const Part& part : parts_) {
    if (!part.masks || part.masks->phase() != MaskPhase::kFailed) continue;
    for (const std::string& site : part.sites) sites[site] = part.masks->failure().message;
  }
  return sites;
}

std::optional<std::string> SessionSum::spoiled() const {
  for (const Part& part : parts_) {
    if (!part.masks || part.masks->phase() != MaskPhase::kFailed) return std::nullopt;
  }
  return parts_.front().masks->failure().message;
}

Output SessionSum::close_uploads() {
  Output output;
  for (Part& part : parts_) {
    if (part.masks) append(output, part.masks->close_uploads());
  }
  return output;
}

Output SessionSum::close_unmasking() {
  Output output;
  for (Part& part : parts_) {
    const bool asked =
        part.masks && (part.masks->phase() == MaskPhase::kConfirming || part.masks->phase() == MaskPhase::kUnmasking);
    if (asked) append(output, part.masks->close_phase());
  }
  return output;
}

std::vector<secagg::CoordinatorMessage> SessionSum::owed(const std::string& site) const {
  const Part* part = part_of(site);
  if (part == nullptr || !part->masks) return {};
  return part->masks->owed(site);
}

bool SessionSum::unmaskable() const {
  return std::ranges::all_of(parts_, [](const Part& part) {
    return !part.masks || part.masks->phase() == MaskPhase::kUnmasked || part.masks->phase() == MaskPhase::kFailed;
  });
}

Result<std::map<std::string, std::string>> SessionSum::unmask(unsigned threads) {
  std::map<std::string, std::string> left_out = stranded();
  std::vector<Part> readable;
  for (Part& part : parts_) {
    if (part.masks && part.masks->phase() != MaskPhase::kUnmasked) continue;
    if (part.masks) {
      const std::vector<secagg::MaskTerm> masks = part.masks->take_masks();
      CONSILIUM_TRY(secagg::add_masks(masks, 0, part.sum.masked_words(), threads));
    }
    if (readable.empty()) {
      readable.push_back(std::move(part));
    } else {
      CONSILIUM_TRY(readable.front().sum.add(part.sum));
    }
  }
  if (readable.empty()) return fail(ErrorCode::kFailedPrecondition, spoiled().value_or("no group was unmasked"));
  parts_ = std::move(readable);
  return left_out;
}

Result<std::vector<SessionSum::Group>> groups_of(const job::JobSpec& spec, const Rules& rules,
                                                 const OpenSession& action, const crypto::Digest& model) {
  std::map<std::uint32_t, std::vector<std::string>> sites;
  for (const std::string& site : action.cohort) {
    const auto group = rules.count_groups.find(site);
    const bool counts = action.key.kind != job::SumKind::kTrain && group != rules.count_groups.end();
    sites[counts ? group->second : 0].push_back(site);
  }
  std::vector<SessionSum::Group> groups;
  for (auto& [number, members] : sites) {
    CONSILIUM_ASSIGN(job::RoundOrder order,
                     job::expected_order(spec, action.key, action.normaliser, model, number, action.labels));
    groups.push_back({std::move(order), std::move(members)});
  }
  return groups;
}

}  // namespace consilium::round
