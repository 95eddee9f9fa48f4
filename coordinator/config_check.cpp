#include "coordinator/config_check.h"

#include <fcntl.h>
#include <sys/file.h>

#include <string>
#include <utility>

#include "common/files/descriptor.h"
#include "common/files/files.h"
#include "common/files/state_dir.h"
#include "common/files/temporary_folder.h"
#include "common/pki/list_memory.h"
#include "common/pki/own_certificate.h"
#include "common/wire/tls_credentials.h"
#include "coordinator/service/listener.h"

namespace consilium::coordinator {
namespace {

/// Largest `<state_dir>/port`, in bytes.
constexpr std::size_t kMaxPortBytes = 16;

Result<void> check_tls(const CoordinatorConfig& config, files::Findings& findings) {
  CONSILIUM_ASSIGN(const files::TemporaryFolder memory, files::TemporaryFolder::create("consilium-check"));
  pki::copy_list_memory(config.state_dir, memory.path());
  const wire::TlsFiles files{config.tls.root, config.tls.certificate, config.tls.key, config.tls.revocation_list,
                             memory.path()};
  CONSILIUM_ASSIGN(const wire::ServerTls tls,
                   wire::make_server_tls(files, {pki::Role::kSite, pki::Role::kResearcher, pki::Role::kOperator},
                                         [](const Error&) {}));
  if (auto warning = pki::OwnCertificate(config.tls.certificate, config.tls.key).warning_due())
    findings.warnings.push_back(*std::move(warning));
  if (auto warning = tls.trust->warning_due()) findings.warnings.push_back(*std::move(warning));
  return {};
}

/// Returns true if a coordinator runs on this state folder and listens on this port.
bool is_own_port(const std::filesystem::path& state_dir, const std::string& port) {
  const files::Descriptor lock(::open((state_dir / "lock").c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock || ::flock(lock.get(), LOCK_SH | LOCK_NB) == 0) return false;
  const auto written = files::read_file(state_dir / "port", kMaxPortBytes);
  return written && *written == port + "\n";
}

/// Listens briefly on the configured address. Accepts that a coordinator that runs on the same state folder holds the
/// port.
Result<void> check_port(const CoordinatorConfig& config) {
  const auto listener = service::Listener::open(config.listen);
  if (listener) return {};
  const std::string port = config.listen.substr(config.listen.rfind(':') + 1);
  if (listener.error().code == ErrorCode::kAlreadyExists && is_own_port(config.state_dir, port)) return {};
  return fail(listener.error());
}

}  // namespace

files::Findings check_config(const CoordinatorConfig& config) {
  files::Findings findings;
  findings.note(files::check_state_dir("coordinator", config.state_dir));
  findings.note(check_tls(config, findings));
  findings.note(check_port(config));
  if (config.tls.revocation_list.empty()) {
    findings.warnings.emplace_back(
        "coordinator.yaml: tls.revocation_list: names no file, so no certificate is ever revoked; name the "
        "authority's newest crl.pem");
  }
  return findings;
}

}  // namespace consilium::coordinator
