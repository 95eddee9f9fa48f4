#include "client/session/total_check.h"

#include <spdlog/fmt/fmt.h>

#include <system_error>
#include <utility>

#include "client/masking/commits.h"
#include "client/session/checked_total.h"
#include "common/encoding/byte_writer.h"
#include "common/files/files.h"
#include "common/job/cohort_rules.h"
#include "common/job/labelled_digest.h"
#include "common/secagg/commit.h"

namespace consilium::session {
namespace {

/// Returns the digest that represents a total and its tags in the ledger.
crypto::Digest total_digest(const wire::GroupTotal& total) {
  encoding::ByteWriter writer;
  writer.bytes(total.total);
  writer.integer(total.words);
  for (const wire::IncludedSum& sum : total.sums) {
    writer.integer(sum.group);
    writer.bytes(sum.cohort);
    writer.integer(sum.tag);
  }
  return job::labelled_digest("consilium/v1/total", writer.take());
}

}  // namespace

Result<void> TotalCheck::fetch(const crypto::Digest& digest, std::uint64_t bytes,
                               const std::filesystem::path& file) const {
  parts_.models.make_room(file);  // check: total-room
  return parts_.fetch(digest, bytes, file);
}

Result<std::span<const float>> TotalCheck::last_model(const job::JobSpec& job, const masking::SumId& sum,
                                                      std::size_t parameters, ParameterVector& room) const {
  crypto::Digest last{};
  if (sum.round == 1) {
    CONSILIUM_ASSIGN(last, masking::initial_model(job));
  } else {
    CONSILIUM_ASSIGN(const auto committed,
                     parts_.ledger.committed_model({sum.job, job::SumKind::kTrain, sum.round - 1}));
    if (!committed) return fail(ErrorCode::kPermissionDenied, "the previous round isn't committed");
    last = *committed;
  }
  if (const auto held = parts_.in_memory(last); held.size() == parameters) return held;
  room.resize(parameters);
  CONSILIUM_TRY(fetch(last, parameters * sizeof(float), parts_.models.file_of(last)));
  CONSILIUM_TRY(parts_.models.load(last, std::as_writable_bytes(std::span(room))));
  return std::span<const float>(room);
}

Result<std::vector<std::byte>> TotalCheck::endorse(const wire::GroupTotal& total, const job::JobSpec& job,
                                                   const crypto::Digest& digest) {
  const masking::SumId sum{digest, total.key.kind, total.key.round};
  CONSILIUM_ASSIGN(const auto ended, parts_.ledger.ended(digest));
  if (ended) {
    return fail(ErrorCode::kPermissionDenied,
                "this site signs nothing more in the job: " + *ended);  // check: total-ended
  }
  CONSILIUM_ASSIGN(aggregation::StreamingSum words, room_for_total(total, job));
  std::vector<std::uint32_t> counted;
  if (sum.kind == job::SumKind::kTrain) {
    CONSILIUM_ASSIGN(counted, masking::counted_groups(parts_.ledger, digest));
  }
  CONSILIUM_TRY(
      check_included(total, job, job::count_group_of(job, parts_.trust.site), counted,
                     [&](const crypto::Digest& cohort) { return parts_.ledger.released_under(sum, cohort); }));
  CONSILIUM_TRY(parts_.ledger.try_total(sum, total_digest(total)));  // check: total-once
  const std::filesystem::path file = parts_.models.file_of(total.total).string() + ".total";
  if (const auto fetched = fetch(total.total, total.words * sizeof(std::uint32_t), file); !fetched) {
    // The others may have committed the round in the meantime; then nobody offers the total any more.
    return fail(ErrorCode::kUnavailable, "the total can't be fetched: " + fetched.error().message);
  }
  const auto read = ModelCache::read(file, std::as_writable_bytes(words.masked_words()));
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  CONSILIUM_TRY(read);
  CONSILIUM_ASSIGN(const crypto::SecretBytes key, parts_.keys.key(digest));
  ParameterVector room;
  CONSILIUM_ASSIGN(const CheckedTotal checked,
                   check_total(total, std::move(words), job, digest, key,
                               [&](std::size_t parameters) { return last_model(job, sum, parameters, room); }));
  if (!checked.model.empty() && !parts_.remember(checked.statement.model, checked.model)) {
    CONSILIUM_TRY(parts_.models.keep(checked.statement.model, std::as_bytes(checked.model)));
  }
  const std::vector<std::byte> signed_bytes = secagg::commit_bytes(checked.statement);
  CONSILIUM_TRY(parts_.ledger.endorse(sum, crypto::sha256(signed_bytes)));  // check: endorse-once
  CONSILIUM_ASSIGN(const auto signer, pki::make_file_signer(parts_.trust.key));
  CONSILIUM_ASSIGN(std::string certificate, files::read_file(parts_.trust.certificate, secagg::kMaxCertificateBytes));
  return sign_commit(checked.statement, parts_.trust.site, std::move(certificate), *signer);
}

}  // namespace consilium::session
