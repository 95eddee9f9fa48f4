#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"

namespace consilium::policy {

/// A rule that a job breaks.
struct Refusal {
  std::string key;   ///< of policy.yaml: what the coordinator is told
  std::string text;  ///< with the values: for this site's log alone
  bool operator==(const Refusal&) const = default;
};

/// What a policy says of a job.
struct Judgement {
  std::vector<Refusal> refusals;  ///< empty: the job is within every rule
  /// Why a person has to approve the job; "" where it is accepted as it stands. Means nothing where there are refusals.
  std::string approval;
};

/// The keys of refusals, each once: "datasets, max_rounds".
[[nodiscard]] std::string keys_of(const std::vector<Refusal>& refusals);
/// Their texts, with "; " between them.
[[nodiscard]] std::string texts_of(const std::vector<Refusal>& refusals);

/// The values that a job may choose from.
struct Range {
  std::optional<double> at_least;
  std::optional<double> at_most;
  bool operator==(const Range&) const = default;
};

/// What this hospital agrees to (policy.yaml; configs/policy.yaml says what each key means). Fails closed: a rule that
/// the file doesn't state accepts nothing, and a job that is within every rule still waits for a person's approval,
/// unless the file names its digest or its researcher. Immutable once read; safe to share between threads.
class Policy {
 public:
  /// What jobs may be and do.
  struct Rules {
    std::vector<std::string> researchers;  ///< whose jobs need no approval; they could read the site's numbers
    std::vector<std::string> datasets;
    std::vector<std::string> tasks;
    std::vector<std::string> strategies;
    std::vector<std::string>
        models;  ///< names, "layers" for a list of layers; empty: any (a model is data, never code)
    std::optional<std::uint32_t> max_rounds;
    std::optional<std::uint32_t> max_local_epochs;
    std::optional<std::uint32_t> minimum_cohort;  ///< updates that a sum has at least
    std::optional<double> maximum_clip;           ///< none: any
    std::optional<std::uint64_t> max_parameters;  ///< of a model; none: any
    Range batch_size;                             ///< none: any
    Range learning_rate;                          ///< of every round; none: any
    std::optional<std::uint64_t> maximum_sums;    ///< over each population's data, for good; none: any number
    bool allow_unmasked = false;
    /// The fewest sites of a sum that this one helps to unmask, where that is more than the job's threshold.
    std::optional<std::uint32_t> minimum_survivors;
    /// Answer a second, different list of survivors for one kind of sum over one model on one data set, in any job. The
    /// difference of the two sums shows those who are in one list alone.
    bool allow_changed_cohort = false;
    bool operator==(const Rules&) const = default;
  };

  /// Accepts nothing.
  Policy() = default;
  Policy(Rules rules, std::vector<crypto::Digest> accepted, bool sandbox_required);

  /// Holds a job against the rules. A job whose digest the file lists need only keep to `allow_unmasked` and
  /// `max_parameters`.
  /// @param digest      job_digest(job)
  /// @param researcher  whose signature under the job was verified
  [[nodiscard]] Judgement judge(const job::JobSpec& job, const crypto::Digest& digest,
                                const std::string& researcher) const;

  /// False where the file says `sandbox: optional`: the trainer may run on a kernel without Landlock, seccomp or
  /// network namespaces.
  [[nodiscard]] bool sandbox_required() const { return sandbox_required_; }
  [[nodiscard]] const Rules& rules() const { return rules_; }
  [[nodiscard]] const std::vector<crypto::Digest>& accepted_digests() const { return accepted_; }

 private:
  Rules rules_;
  std::vector<crypto::Digest> accepted_;
  bool sandbox_required_ = true;
};

/// Reads policy.yaml. kNotFound where there is none: the site then takes part in nothing, and the error says what to
/// create.
Result<Policy> read_policy(const std::filesystem::path& file);
Result<Policy> parse_policy(std::string_view text, std::string_view source);

/// The fewest updates that a sum of this job may have. Without masks: quorum x cohort, drawn from minimum_sites. In
/// mode masked: the smallest group. In mode masked-threshold, what every site holds the coordinator to: the threshold
/// of the smallest cohort.
[[nodiscard]] std::uint32_t fewest_updates(const job::JobSpec& job);

}  // namespace consilium::policy
