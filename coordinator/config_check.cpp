#include "coordinator/config_check.h"

#include <fcntl.h>
#include <netdb.h>
#include <spdlog/fmt/fmt.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "common/files/descriptor.h"
#include "common/files/files.h"
#include "common/files/state_dir.h"
#include "common/files/temporary_folder.h"
#include "common/pki/list_memory.h"
#include "common/pki/own_certificate.h"
#include "common/wire/tls_credentials.h"

namespace consilium::coordinator {
namespace {

/// Largest `<state_dir>/port`, in bytes.
constexpr std::size_t kMaxPortBytes = 16;

Result<void> check_tls(const CoordinatorConfig& config, Findings& findings) {
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

/// Whether a coordinator runs on this state folder, and listens on this port.
bool is_own_port(const std::filesystem::path& state_dir, const std::string& port) {
  const files::Descriptor lock(::open((state_dir / "lock").c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock || ::flock(lock.get(), LOCK_SH | LOCK_NB) == 0) return false;
  const auto written = files::read_file(state_dir / "port", kMaxPortBytes);
  return written && *written == port + "\n";
}

Result<void> try_address(const addrinfo& address) {
  const files::Descriptor socket(::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket.get(), address.ai_addr, address.ai_addrlen) != 0 || ::listen(socket.get(), 1) != 0) {
    return fail(errno == EADDRINUSE ? ErrorCode::kAlreadyExists : ErrorCode::kFailedPrecondition, std::strerror(errno));
  }
  return {};
}

Result<void> check_port(const CoordinatorConfig& config) {
  const std::size_t colon = config.listen.rfind(':');
  std::string host = config.listen.substr(0, colon);
  const std::string port = config.listen.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int problem = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); problem != 0) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("coordinator.yaml: listen: {}: {}; name an address of this machine", config.listen,
                            ::gai_strerror(problem)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
  Result<void> tried = try_address(*addresses);
  if (tried || (tried.error().code == ErrorCode::kAlreadyExists && is_own_port(config.state_dir, port))) return {};
  return fail(tried.error().code,
              fmt::format("coordinator.yaml: listen: cannot listen on {}: {}{}", config.listen, tried.error().message,
                          tried.error().code == ErrorCode::kAlreadyExists
                              ? "; another program has the port: stop it (ss -tlnp says which), or name another port"
                              : ""));
}

}  // namespace

Findings check_config(const CoordinatorConfig& config) {
  Findings findings;
  for (const Result<void>& checked :
       {files::check_state_dir("coordinator", config.state_dir), check_tls(config, findings), check_port(config)}) {
    if (!checked) findings.problems.push_back(checked.error().message);
  }
  if (config.tls.revocation_list.empty()) {
    findings.warnings.emplace_back(
        "coordinator.yaml: tls.revocation_list: names no file, so no certificate is ever revoked; name the "
        "authority's newest crl.pem");
  }
  return findings;
}

}  // namespace consilium::coordinator
