#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "common/error/error.h"

namespace consilium::approval {

/// Largest request and answer on the socket, in bytes.
inline constexpr std::size_t kMaxRequestBytes = std::size_t{64} << 10;
inline constexpr std::size_t kMaxAnswerBytes = std::size_t{256} << 20;

/// A running daemon's ear: the Unix socket `control.sock` in its state folder, mode 0600. Answers root and the daemon's
/// own user, as the kernel names them (SO_PEERCRED), and nobody else. One thread, one request at a time.
class ControlSocket {
 public:
  /// Computes the answer to a request; called from the socket's thread.
  /// @param user  name of the Unix user who asks
  using Answer = std::function<std::string(const std::string& request, const std::string& user)>;

  /// Begins to listen. A socket that an earlier daemon left is replaced.
  static Result<std::unique_ptr<ControlSocket>> listen(const std::filesystem::path& state_dir, Answer answer);
  ~ControlSocket();  ///< stops listening and removes the socket
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

 private:
  class Impl;
  explicit ControlSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Writes a request as the Desk (desk.h) reads it.
/// @param job         a digest, the beginning of one, or a job id; to approve it, the whole digest; "" where the
/// command
///                    needs none
/// @param researcher  whose job is approved; no other command needs it
[[nodiscard]] std::string request_text(const std::string& command, const std::string& job,
                                       const std::string& researcher = "");

/// Asks the daemon that runs on this state folder. kNotFound where none listens, kPermissionDenied where it doesn't
/// answer this user.
Result<std::string> ask_daemon(const std::filesystem::path& state_dir, const std::string& request);

/// Name of a Unix user; "uid N" where the system has none.
[[nodiscard]] std::string user_name(unsigned uid);

}  // namespace consilium::approval
