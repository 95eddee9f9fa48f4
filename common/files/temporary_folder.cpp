#include "common/files/temporary_folder.h"

#include <cstdlib>
#include <system_error>

namespace consilium::files {

Result<TemporaryFolder> TemporaryFolder::create(const std::string& prefix) {
  std::error_code code;
  std::string path = (std::filesystem::temp_directory_path(code) / (prefix + "-XXXXXX")).string();
  if (code || ::mkdtemp(path.data()) == nullptr) {
    return fail(ErrorCode::kInternal, "no temporary folder can be created; set TMPDIR to a folder with free space");
  }
  return TemporaryFolder(path);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace consilium::files
