#include "common/report/result_folder.h"

#include <nlohmann/json.hpp>

#include "common/files/files.h"
#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "common/parameters/safetensors.h"
#include "common/report/report_files.h"

namespace consilium::report {
namespace {

/// Of report.json: thousands of rounds and metrics are a few megabytes.
constexpr std::size_t kMostReportBytes = std::size_t{256} << 20;

Result<job::JobSpec> read_job(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const std::string text, files::read_file(file, kMostReportBytes));
  const auto report = nlohmann::json::parse(text, nullptr, false);
  if (report.is_discarded() || !report.is_object() || !report.contains("job"))
    return fail(ErrorCode::kInvalidArgument, file.string() + ": expected a report of a job, with the key 'job'");
  return job::parse_job(report["job"].dump(), file.string() + ": job");
}

}  // namespace

Result<ResultFolder> read_result_folder(const std::filesystem::path& folder) {
  ResultFolder result;
  CONSILIUM_ASSIGN(result.spec, read_job(folder / kReportFile));
  CONSILIUM_ASSIGN(result.manifest, model::build_manifest(result.spec.model));
  CONSILIUM_ASSIGN(result.model, read_safetensors(folder / kModelFile, result.manifest));
  return result;
}

}  // namespace consilium::report
