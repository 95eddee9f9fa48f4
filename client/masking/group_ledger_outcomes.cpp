// The outcomes of sums that a site records: the total that it checked, what it signed, what is committed, and the end
// of the job.
#include <spdlog/fmt/fmt.h>

#include <mutex>

#include "client/masking/group_ledger.h"
#include "client/masking/group_records.h"

namespace consilium::masking {

using crypto::Digest;

Result<void> GroupLedger::try_total(const SumId& sum, const Digest& total) {
  const std::lock_guard lock(records_->mutex);
  return records_->keep_only("totals", sum, total, "this site has checked another total of this sum");
}

Result<void> GroupLedger::endorse(const SumId& sum, const Digest& statement) {
  const std::lock_guard lock(records_->mutex);
  CONSILIUM_ASSIGN(const auto committed, records_->only("commits", sum));
  CONSILIUM_TRY(
      require(!committed || *committed == statement, fmt::format("{}: another outcome is committed", describe(sum))));
  return records_->keep_only("endorsed", sum, statement, "this site has signed another outcome of this sum");
}

Result<void> GroupLedger::commit(const SumId& sum, const Digest& statement, const Digest& model,
                                 std::span<const std::uint32_t> groups) {
  const std::string included = lines_of(groups);
  const std::lock_guard lock(records_->mutex);
  CONSILIUM_ASSIGN(const auto endorsed, records_->only("endorsed", sum));
  CONSILIUM_TRY(require(!endorsed || *endorsed == statement,
                        fmt::format("{}: another outcome is committed than this site has signed",
                                    describe(sum))));  // check: group-commit-own
  CONSILIUM_ASSIGN(const auto committed, records_->only("commits", sum));
  CONSILIUM_TRY(require(!committed || *committed == statement,
                        fmt::format("{}: another outcome is committed", describe(sum))));  // check: group-commit-once
  return records_->database->execute(
      "INSERT INTO commits(job, step, digest, model, groups) VALUES(?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      {bytes_of(sum.job), step_of(sum), bytes_of(statement), bytes_of(model), std::string_view(included)});
}

Result<std::optional<std::vector<std::uint32_t>>> GroupLedger::committed_groups(const SumId& sum) const {
  const std::lock_guard lock(records_->mutex);
  CONSILIUM_ASSIGN(sqlite::Rows rows, records_->database->query("SELECT groups FROM commits WHERE job = ? AND step = ?",
                                                                {bytes_of(sum.job), step_of(sum)}));
  CONSILIUM_ASSIGN(const bool any, rows.next());
  return any ? std::optional(groups_in(rows.text(0))) : std::nullopt;
}

Result<bool> GroupLedger::is_closed(const SumId& sum) const {
  const std::lock_guard lock(records_->mutex);
  return records_->is_closed(sum);
}

Result<std::optional<Digest>> GroupLedger::committed_model(const SumId& sum) const {
  const std::lock_guard lock(records_->mutex);
  return records_->digest("SELECT model FROM commits WHERE job = ? AND step = ?", {bytes_of(sum.job), step_of(sum)});
}

Result<void> GroupLedger::note_unusable(const SumId& sum) {
  const std::string_view reason = "its result was unusable";
  const std::lock_guard lock(records_->mutex);
  return records_->database->execute("INSERT INTO ended(job, step, reason) VALUES(?, ?, ?) ON CONFLICT DO NOTHING",
                                     {bytes_of(sum.job), step_of(sum), reason});
}

Result<void> GroupLedger::check_usable(const SumId& sum) const {
  const std::lock_guard lock(records_->mutex);
  CONSILIUM_ASSIGN(const auto found, records_->number("SELECT step FROM ended WHERE job = ? AND step BETWEEN 0 AND ?",
                                                      {bytes_of(sum.job), step_of(sum)}));
  if (!found) return {};
  return fail(ErrorCode::kInvalidArgument,
              "an earlier result of this site in the job was unusable, so all later ones count as unusable too");
}

Result<void> GroupLedger::end_job(const Digest& job, const std::string& reason) {
  const std::lock_guard lock(records_->mutex);
  return records_->end_job(job, reason);
}

Result<std::optional<std::string>> GroupLedger::ended(const Digest& job) const {
  const std::lock_guard lock(records_->mutex);
  return records_->ended(job);
}

}  // namespace consilium::masking
