#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"

namespace consilium::job {

/// Largest job text accepted, in bytes.
inline constexpr std::size_t kMaxJobBytes = 1 << 20;

/// Parses and validates a job. Errors name the file and key path, what was expected and what was found
/// ("job.yaml: training.optimizer.learning_rate: expected a number > 0, found 'fast'"); an unknown key is refused with
/// the nearest known one; shapes are checked by expanding the model. Hostile input: size, depth and aliases are
/// bounded.
/// @param text        YAML (or the canonical JSON, which is YAML)
/// @param source_name what errors call the text, e.g. the file's name
Result<JobSpec> parse_job(std::string_view text, std::string_view source_name);
Result<JobSpec> read_job(const std::filesystem::path& file);

/// Writes the job in its canonical form: compact JSON, keys sorted, every default spelled out. parse_job() reads it
/// back to an equal spec, and equal specs give equal texts.
[[nodiscard]] std::string canonical_text(const JobSpec& job);

/// SHA-256 of ("consilium/v1/job", canonical_text), length-prefixed: what a hospital's policy approves.
[[nodiscard]] crypto::Digest job_digest(const JobSpec& job);
/// The same of a text, which may be anything: whoever parses it then compares the job's own digest.
[[nodiscard]] crypto::Digest digest_of_text(std::string_view canonical_text);

}  // namespace consilium::job
