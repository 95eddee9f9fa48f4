#include "client/approval/control_socket.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::approval {
namespace {

std::string echo(const std::string& request, const std::string& user) { return user + " asked " + request; }

/// Returns what `ask_daemon` answers to another user, or "" if this process can't become one.
std::string asked_as_nobody(const std::filesystem::path& folder) {
  constexpr int kNobody = 65534;
  int pipe[2] = {};
  REQUIRE(::pipe(pipe) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::string said = "refused";
    if (::setuid(kNobody) != 0) said = "";
    if (!said.empty()) {
      if (const auto answer = ask_daemon(folder, "x")) said = *answer;
    }
    [[maybe_unused]] const ssize_t written = ::write(pipe[1], said.data(), said.size());
    ::_exit(0);
  }
  ::close(pipe[1]);
  char text[256] = {};
  const ssize_t count = ::read(pipe[0], text, sizeof(text));
  ::close(pipe[0]);
  ::waitpid(child, nullptr, 0);
  return {text, static_cast<std::size_t>(std::max<ssize_t>(count, 0))};
}

TEST_CASE("a daemon answers its own user, whatever the length of its folder's path") {
  const pki::TemporaryFolder folder;
  const auto deep = folder / std::string(200, 'd');
  std::filesystem::create_directory(deep);
  const auto socket = ControlSocket::listen(deep, echo).value();
  CHECK(ask_daemon(deep, "jobs").value() == user_name(::geteuid()) + " asked jobs");
  const std::string large(kMaxRequestBytes, 'x');
  CHECK(ask_daemon(deep, large).value().size() > large.size());
  struct stat status {};
  REQUIRE(::stat((deep / "control.sock").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("nobody listens: the command is told so, and a socket that was left is replaced") {
  const pki::TemporaryFolder folder;
  CHECK(ask_daemon(folder.path(), "jobs").error().code == ErrorCode::kNotFound);
  {
    const auto socket = ControlSocket::listen(folder.path(), echo).value();
    CHECK(ask_daemon(folder.path(), "jobs"));
  }
  CHECK_FALSE(std::filesystem::exists(folder / "control.sock"));
  pki::write_text(folder / "control.sock", "left");
  const auto socket = ControlSocket::listen(folder.path(), echo).value();
  CHECK(ask_daemon(folder.path(), "jobs"));
}

TEST_CASE("a request that is too long gets no answer, and the next one does") {
  const pki::TemporaryFolder folder;
  const auto socket = ControlSocket::listen(folder.path(), echo).value();
  CHECK_FALSE(ask_daemon(folder.path(), std::string(kMaxRequestBytes + 1, 'x')));
  CHECK(ask_daemon(folder.path(), "jobs"));
}

TEST_CASE("another user gets no answer, though the socket's mode let it connect") {
  const pki::TemporaryFolder folder;
  const auto socket = ControlSocket::listen(folder.path(), echo).value();
  std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  std::filesystem::permissions(folder / "control.sock", std::filesystem::perms::all);
  const std::string said = asked_as_nobody(folder.path());
  if (said.empty()) {
    WARN("only root can become another user: not tried");
    return;
  }
  CHECK(said == "refused");
}

}  // namespace
}  // namespace consilium::approval
