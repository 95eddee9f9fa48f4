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

/// What this hospital agrees to (policy.yaml; configs/policy.yaml says what each key means). Fails closed: a job is
/// accepted if its digest is listed, or if every rule accepts it; a rule that the file doesn't state accepts nothing.
/// Immutable once read; safe to share between threads.
class Policy {
 public:
  /// What jobs may be and do.
  struct Rules {
    std::vector<std::string> researchers;
    std::vector<std::string> datasets;
    std::vector<std::string> tasks;
    std::vector<std::string> strategies;
    std::vector<std::string>
        models;  ///< names, "layers" for a list of layers; empty: any (a model is data, never code)
    std::optional<std::uint32_t> max_rounds;
    std::optional<std::uint32_t> max_local_epochs;
    std::optional<std::uint32_t> minimum_cohort;  ///< updates that a sum has at least
    std::optional<double> maximum_clip;           ///< none: any
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

  /// @param digest      job_digest(job), which the coordinator names and the caller has checked
  /// @param researcher  name in the certificate of who submitted
  /// kPermissionDenied names every rule that refused, and why.
  [[nodiscard]] Result<void> accepts(const job::JobSpec& job, const crypto::Digest& digest,
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

/// The fewest updates that a round of this job may sum. Without masks: quorum x cohort, drawn from minimum_sites. With
/// masks, what every site holds the coordinator to: the threshold of the smallest cohort.
[[nodiscard]] std::uint32_t fewest_updates(const job::JobSpec& job);

}  // namespace consilium::policy
