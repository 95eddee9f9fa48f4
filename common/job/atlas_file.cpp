#include "common/job/atlas_file.h"

#include <spdlog/fmt/fmt.h>

#include "common/files/files.h"
#include "common/job/job_limits.h"

namespace consilium::job {

Result<std::string> read_atlas_file(const std::filesystem::path& file, const crypto::Digest& digest) {
  CONSILIUM_ASSIGN(std::string bytes, files::read_file(file, kMaxAtlasBytes));
  const crypto::Digest found = crypto::sha256(bytes);
  if (found == digest) return bytes;
  return fail(ErrorCode::kFailedPrecondition,  // check: atlas-digest
              fmt::format("{} isn't the job's atlas: expected the SHA-256 {}, found {}", file.string(),
                          crypto::to_hex(digest), crypto::to_hex(found)));
}

Result<void> check_atlas_option(const DataSpec& data, const std::string& file) {
  if (data.atlas && file.empty())
    return refuse(fmt::format("the job names the atlas '{}': give its file with --atlas", data.atlas->name));
  if (!data.atlas && !file.empty()) return refuse("--atlas: the job names no atlas (data.atlas)");
  return {};
}

}  // namespace consilium::job
