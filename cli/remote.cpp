#include "cli/remote.h"

#include <spdlog/fmt/fmt.h>

#include <cstdio>
#include <ctime>
#include <optional>
#include <span>
#include <utility>

#include "cli/command.h"
#include "cli/version.h"
#include "common/files/files.h"
#include "common/files/temporary_folder.h"
#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "common/pki/own_certificate.h"
#include "common/pki/trust.h"

namespace consilium::cli {

namespace {

/// Returns the connection. An unusable file is always a mistake in the researcher's input, which means exit code 2.
Result<Connection> usable_connection(const ConnectionOptions& options) {
  auto connection = resolve_connection(options);
  if (!connection) return fail(ErrorCode::kInvalidArgument, connection.error().message);
  if (const auto pair = pki::check_key_pair(connection->certificate, connection->key); !pair)
    return fail(ErrorCode::kInvalidArgument, pair.error().message);
  return connection;
}

}  // namespace

Result<AdminClient> connect(const ConnectionOptions& options) {
  CONSILIUM_ASSIGN(const Connection connection, usable_connection(options));
  CONSILIUM_ASSIGN(const auto warning, revocation_warning(connection, [] { return std::time(nullptr); }));
  if (warning) fmt::print(stderr, "consilium: warning: {}\n", *warning);
  if (const auto ending = pki::OwnCertificate(connection.certificate, connection.key).warning_due())
    fmt::print(stderr, "consilium: warning: {}\n", *ending);
  AdminConfig config;
  config.coordinator = connection.coordinator;
  config.root = connection.root;
  config.certificate = connection.certificate;
  config.key = connection.key;
  config.revocation_list = connection.revocation_list;
  config.list_memory = connection.list_memory;
  return AdminClient::create(config);
}

Result<std::string> submit_job(AdminClient& client, const JobFile& job, std::chrono::seconds valid_for) {
  if (job.initial_weights.empty()) return client.submit(job.spec, std::nullopt, valid_for);
  CONSILIUM_ASSIGN(const files::TemporaryFolder folder, files::TemporaryFolder::create("consilium-submit"));
  const std::filesystem::path file = folder.path() / "weights";
  CONSILIUM_TRY(files::replace_file(file, std::as_bytes(std::span(job.initial_weights)), files::Access::kOwner));
  return client.submit(job.spec, file, valid_for);
}

Result<report::JobStatus> follow(AdminClient& client, const std::string& job_id, LiveView& view, std::stop_token stop) {
  std::optional<report::JobStatus> last;
  CONSILIUM_TRY(client.watch(
      job_id,
      [&](const report::JobStatus& status) {
        view.update(status);
        last = status;
      },
      stop));
  if (!last)
    return fail(ErrorCode::kUnavailable, fmt::format("the coordinator sent no status of job '{}'; try again", job_id));
  return std::move(*last);
}

Result<report::Report> fetch_report(AdminClient& client, const std::string& job_id) {
  report::Report report;
  CONSILIUM_ASSIGN(const std::string text, client.spec(job_id));
  CONSILIUM_ASSIGN(report.spec, job::parse_job(text, job_id));
  CONSILIUM_ASSIGN(report.status, client.status(job_id));
  report.versions["consilium"] = kVersion;
  return report;
}

Result<FetchedJob> fetch_job(AdminClient& client, const std::string& job_id) {
  FetchedJob job;
  CONSILIUM_ASSIGN(job.report, fetch_report(client, job_id));
  CONSILIUM_ASSIGN(job.manifest, model::build_manifest(job.report.spec.model));
  if (!job.report.status.model || job.report.status.history.empty()) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("job '{}' has committed no round yet ({}); see: consilium watch {}", job_id,
                            report::name_of(job.report.status.phase), job_id));
  }
  CONSILIUM_ASSIGN(const files::TemporaryFolder folder, files::TemporaryFolder::create("consilium-fetch"));
  const std::filesystem::path file = folder.path() / "model";
  CONSILIUM_TRY(client.fetch_model(*job.report.status.model, file));
  job.model.resize(job.manifest.parameter_count());
  const auto read = files::read_exactly(file, std::as_writable_bytes(std::span(job.model)));
  if (!read && read.error().code == ErrorCode::kDataLoss) {
    return fail(ErrorCode::kDataLoss,
                fmt::format("the model of job '{}' doesn't have the size that its spec gives", job_id));
  }
  CONSILIUM_TRY(read);
  return job;
}

void warn_of_ends(const std::vector<report::SiteStatus>& sites) {
  for (const report::SiteStatus& site : sites) {
    if (site.certificate_end == 0) continue;
    const auto warning =
        pki::end_warning("the certificate of site " + printable(site.name), site.certificate_end, std::time(nullptr));
    if (warning) fmt::print(stderr, "consilium: warning: {}\n", *warning);
  }
}

int exit_code_of(report::JobPhase phase) {
  if (phase == report::JobPhase::kFailed) return kJobFailed;
  return phase == report::JobPhase::kStopped ? kJobStopped : kSuccess;
}

}  // namespace consilium::cli
