#pragma once

#include <filesystem>
#include <string>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"

namespace consilium::job {

/// Reads the file of a job's atlas, the map of the anatomy that `data.atlas` names. Fails if the file can't be read or
/// is larger than kMaxAtlasBytes. Fails with kFailedPrecondition if the file has another digest; the message names the
/// file and both digests.
/// @param digest  the SHA-256 that the job gives
Result<std::string> read_atlas_file(const std::filesystem::path& file, const crypto::Digest& digest);

/// Checks that a file was given (`--atlas`) if the job names an atlas, and only then.
/// @param file  empty if none was given
Result<void> check_atlas_option(const DataSpec& data, const std::string& file);

}  // namespace consilium::job
