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

/// Parses and validates a job. Errors name the file and the key path, what was expected and what was found ("job.yaml:
/// training.optimizer.learning_rate: expected a number > 0, found 'fast'"). An unknown key is refused, with the nearest
/// known one. Shapes are checked by expanding the model. The input may be hostile: size, depth and aliases are bounded.
/// @param text        YAML (or the canonical JSON, which is YAML)
/// @param source_name name of the text in error messages, e.g. the file's name
Result<JobSpec> parse_job(std::string_view text, std::string_view source_name);
Result<JobSpec> read_job(const std::filesystem::path& file);

/// Returns the job in its canonical form: compact JSON, keys sorted, every default spelled out. parse_job() reads it
/// back to an equal spec, and equal specs give equal texts.
[[nodiscard]] std::string canonical_text(const JobSpec& job);

/// Returns the SHA-256 of ("consilium/v1/job", canonical_text), length-prefixed. A hospital's policy approves this
/// digest.
[[nodiscard]] crypto::Digest job_digest(const JobSpec& job);
/// Returns the digest of any text, valid or not. The caller then compares it with the digest of the parsed job.
[[nodiscard]] crypto::Digest digest_of_text(std::string_view canonical_text);

}  // namespace consilium::job
