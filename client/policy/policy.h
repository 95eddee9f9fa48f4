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
  std::string key;   ///< key in policy.yaml; sent to the coordinator
  std::string text;  ///< description with the values; only for this site's own log
  bool operator==(const Refusal&) const = default;
};

/// The result of checking a job against the policy.
struct Judgement {
  std::vector<Refusal> refusals;  ///< empty: the job is within every rule
  /// Why a person has to approve the job; "" if it is accepted without approval. Meaningless if there are refusals.
  std::string approval;
};

/// Returns the keys of refusals without duplicates: "datasets, max_rounds".
[[nodiscard]] std::string keys_of(const std::vector<Refusal>& refusals);
/// Returns the texts of refusals, separated by "; ".
[[nodiscard]] std::string texts_of(const std::vector<Refusal>& refusals);

/// The range that a job may choose a value from.
struct Range {
  std::optional<double> at_least;
  std::optional<double> at_most;
  bool operator==(const Range&) const = default;
};

/// What this hospital agrees to (policy.yaml; configs/policy.yaml explains each key). Fails closed: a rule
/// that the file doesn't state accepts nothing, except for the limits marked "any" below. Even a job that is within
/// every rule waits for a person's approval, unless the file names its digest, or names its researcher and nothing else
/// calls for approval (initial weights or layers of the researcher's own, unusual_terms()). Immutable once read; safe
/// to share between threads.
class Policy {
 public:
  /// What a job must satisfy.
  struct Rules {
    /// Researchers whose jobs need no approval unless something in the job itself calls for it. They could read the
    /// site's numbers.
    std::vector<std::string> researchers;
    std::vector<std::string> datasets;
    std::vector<std::string> tasks;
    std::vector<std::string> strategies;
    /// Names of models; "layers" stands for any model given as a list of layers. Empty: any model (a model is data,
    /// never code).
    std::vector<std::string> models;
    std::optional<std::uint32_t> max_rounds;
    std::optional<std::uint32_t> max_local_epochs;
    std::optional<std::uint32_t> minimum_cohort;  ///< the fewest updates that any sum may have
    std::optional<double> maximum_clip;           ///< nullopt: any
    std::optional<std::uint64_t> max_parameters;  ///< of a model; nullopt: any
    Range batch_size;                             ///< unset: any
    Range learning_rate;                          ///< of every round; unset: any
    std::optional<std::uint64_t> maximum_sums;    ///< permanent limit for each population's data; nullopt: any number
    bool allow_unmasked = false;
    /// The minimum number of sites in a sum that this site helps to unmask, if it is higher than the job's threshold.
    std::optional<std::uint32_t> minimum_survivors;
    /// Whether to answer a second, different list of survivors for one kind of sum over one model on one data set, in
    /// any job. The difference of the two sums reveals the contribution of the sites that are in only one of the lists.
    bool allow_changed_cohort = false;
    bool operator==(const Rules&) const = default;
  };

  /// Creates a policy that accepts nothing.
  Policy() = default;
  Policy(Rules rules, std::vector<crypto::Digest> accepted, bool sandbox_required);

  /// Checks a job against the rules. A job whose digest the file lists needs to satisfy only `allow_unmasked` and
  /// `max_parameters`.
  /// @param digest      job_digest(job)
  /// @param researcher  the researcher whose signature on the job was verified
  [[nodiscard]] Judgement judge(const job::JobSpec& job, const crypto::Digest& digest,
                                const std::string& researcher) const;

  /// Returns false if the file says `sandbox: optional`: the trainer may then run on a kernel without Landlock, seccomp
  /// or network namespaces.
  [[nodiscard]] bool sandbox_required() const { return sandbox_required_; }
  [[nodiscard]] const Rules& rules() const { return rules_; }
  [[nodiscard]] const std::vector<crypto::Digest>& accepted_digests() const { return accepted_; }

 private:
  Rules rules_;
  std::vector<crypto::Digest> accepted_;
  bool sandbox_required_ = true;
};

/// Reads policy.yaml. kNotFound if there is none: the site then takes part in nothing, and the error says which file to
/// create.
Result<Policy> read_policy(const std::filesystem::path& file);
Result<Policy> parse_policy(std::string_view text, std::string_view source);

/// Returns the fewest updates that a sum of this job can have. Without masks: quorum x cohort, drawn from
/// minimum_sites. In mode masked: the smallest group. In mode masked-threshold: the threshold of the smallest cohort,
/// which every site enforces against the coordinator.
[[nodiscard]] std::uint32_t fewest_updates(const job::JobSpec& job);

}  // namespace consilium::policy
