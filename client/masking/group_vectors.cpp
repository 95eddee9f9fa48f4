#include "client/masking/group_vectors.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/files/files.h"
#include "common/secagg/tag.h"

namespace consilium::masking {
namespace {

std::string prefix_of(const crypto::Digest& job) { return crypto::to_hex(job) + "."; }

/// Returns true for the sealed vector of an evaluation in an earlier round than this one. Its name is
/// JOB.KIND.ROUND.sealed.
bool is_earlier_evaluation(std::string_view name, const SumId& sum) {
  const std::string start = fmt::format("{}{}.", prefix_of(sum.job), static_cast<int>(job::SumKind::kEvaluate));
  if (!name.starts_with(start) || !name.ends_with(".sealed")) return false;
  std::uint32_t round = 0;
  std::from_chars(name.data() + start.size(), name.data() + name.size(), round);
  return round < sum.round;
}

}  // namespace

Result<GroupVectors> GroupVectors::open(GroupLedger& ledger, const SiteSecret& secret, std::string site,
                                        const std::filesystem::path& folder) {
  CONSILIUM_TRY(files::make_private_folder(folder));
  // Removes masked vectors of an earlier run: their masks are gone, so nobody will request them again.
  std::vector<std::filesystem::path> strays;
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(folder, problem)) {
    if (entry.path().extension() == ".masked") strays.push_back(entry.path());
  }
  for (const auto& stray : strays) std::filesystem::remove(stray, problem);
  return GroupVectors(ledger, secret, std::move(site), folder);
}

std::filesystem::path GroupVectors::sealed_file(const SumId& sum) const {
  return folder_ / fmt::format("{}{}.{}.sealed", prefix_of(sum.job), static_cast<int>(sum.kind), sum.round);
}

std::filesystem::path GroupVectors::masked_file(const job::RoundOrder& order) const {
  return folder_ / fmt::format("{}{}.{}.{}.masked", prefix_of(order.job), static_cast<int>(order.kind), order.round,
                               order.attempt);
}

std::optional<crypto::Digest> GroupVectors::sealed_of(const SumId& sum) const {
  const std::lock_guard lock(last_->mutex);
  return last_->sealed && last_->sealed->sum == sum ? std::optional(last_->sealed->digest) : std::nullopt;
}

Result<bool> GroupVectors::has(const job::RoundOrder& order) const {
  const SumId sum = sum_of(order);
  CONSILIUM_ASSIGN(const auto released, ledger_->vector_of(sum));
  if (!released) return sealed_of(sum).has_value();
  std::error_code problem;
  if (!std::filesystem::exists(sealed_file(sum), problem)) {
    return fail(ErrorCode::kDataLoss,
                fmt::format("{}: this site's vector for the sum was sent once and is lost here, and no other vector "
                            "may replace it; the site goes on when the sum is committed",
                            sealed_file(sum).string()));  // check: group-retrain
  }
  return true;
}

Result<void> GroupVectors::seal(const job::RoundOrder& order,
                                const std::function<Result<void>(const WordSink&)>& write) {
  const SumId sum = sum_of(order);
  {
    const std::lock_guard lock(last_->mutex);
    last_->sealed.reset();
  }
  CONSILIUM_ASSIGN(const crypto::SecretBytes key, secret_->sealing_key(order));
  CONSILIUM_ASSIGN(const crypto::Digest digest, seal_vector(sealed_file(sum), key, order.layout.word_count(), write));
  const std::lock_guard lock(last_->mutex);
  last_->sealed = Sealed{sum, digest};
  return {};
}

Result<MaskedVector> GroupVectors::mask(const job::RoundOrder& order, GroupMasks masks, Release release,
                                        unsigned threads) {
  const SumId sum = sum_of(order);
  CONSILIUM_ASSIGN(const auto released, ledger_->vector_of(sum));
  const std::optional<crypto::Digest> known = released ? released : sealed_of(sum);
  if (!known) return fail(ErrorCode::kFailedPrecondition, "the vector of this sum no longer exists");
  const crypto::Digest digest = *known;
  const std::uint64_t count = order.layout.word_count();
  CONSILIUM_ASSIGN(const crypto::SecretBytes key, secret_->sealing_key(order));
  CONSILIUM_ASSIGN(secagg::TagAccumulator accumulator, secagg::TagAccumulator::create(masks.tag_key));
  const auto write = [&](const MaskedVector::WordSink& sink) {
    return open_vector(sealed_file(sum), key, count, digest, [&](std::span<std::uint32_t> words) {
      accumulator.add(words);
      return sink(words);
    });
  };
  const VectorTail tail{secagg::kTagBytes / sizeof(std::uint32_t), [&](std::span<std::uint32_t> words) -> Result<void> {
                          CONSILIUM_ASSIGN(const secagg::FieldElement hidden, secagg::tag_mask(masks.terms, count));
                          CONSILIUM_ASSIGN(const secagg::FieldElement tag,
                                           secagg::masked_tag(masks.tag_offset, accumulator.value(), hidden));
                          words[0] = static_cast<std::uint32_t>(tag);
                          words[1] = static_cast<std::uint32_t>(tag >> 32);
                          return {};
                        }};
  std::error_code ignored;
  std::filesystem::remove(masked_file(order), ignored);
  auto vector = MaskedVector::create(masked_file(order), count, masks.terms, write, threads, tail);
  if (!vector) return fail(vector.error());
  release.sum = sum;
  release.attempt = order.attempt;
  release.group_index = order.group;
  release.cohort = masks.cohort;
  CONSILIUM_TRY(ledger_->release(release, digest, vector->digest(), site_, masks.others));  // check: group-released
  return vector;
}

void GroupVectors::forget_masked(const job::RoundOrder& order) {
  std::error_code ignored;
  std::filesystem::remove(masked_file(order), ignored);
}

void GroupVectors::forget_committed(const SumId& sum) {
  std::error_code ignored;
  std::vector<std::filesystem::path> files{sealed_file(sum)};
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    if (is_earlier_evaluation(entry.path().filename().string(), sum)) files.push_back(entry.path());
  }
  for (const auto& file : files) std::filesystem::remove(file, ignored);
  const std::lock_guard lock(last_->mutex);
  if (last_->sealed && last_->sealed->sum == sum) last_->sealed.reset();
}

void GroupVectors::forget_job(const crypto::Digest& job) {
  std::error_code ignored;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    if (entry.path().filename().string().starts_with(prefix_of(job))) files.push_back(entry.path());
  }
  for (const auto& file : files) std::filesystem::remove(file, ignored);
  const std::lock_guard lock(last_->mutex);
  if (last_->sealed && last_->sealed->sum.job == job) last_->sealed.reset();
}

}  // namespace consilium::masking
