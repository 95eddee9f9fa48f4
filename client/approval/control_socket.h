#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "common/error/error.h"

namespace consilium::approval {

/// Maximum sizes of a request and of an answer on the socket, in bytes.
inline constexpr std::size_t kMaxRequestBytes = std::size_t{64} << 10;
inline constexpr std::size_t kMaxAnswerBytes = std::size_t{256} << 20;

/// The socket on which a running daemon receives commands: the Unix socket `control.sock` in its state folder, mode
/// 0600. It answers only root and the daemon's own user, which the kernel identifies (SO_PEERCRED). One thread handles
/// one request at a time.
class ControlSocket {
 public:
  /// Computes the answer to a request. Called on the socket's thread.
  /// @param user  name of the Unix user who sent the request
  using Answer = std::function<std::string(const std::string& request, const std::string& user)>;

  /// Starts listening. Replaces a socket that an earlier daemon left behind.
  static Result<std::unique_ptr<ControlSocket>> listen(const std::filesystem::path& state_dir, Answer answer);
  ~ControlSocket();  ///< stops listening and removes the socket
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

 private:
  class Impl;
  explicit ControlSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Formats a request for the Desk (desk.h).
/// @param job  a digest, a prefix of one, or a job id; "" if the command needs none. To approve a job, the whole digest
///             is required.
/// @param researcher  the job's researcher; needed only to approve it
[[nodiscard]] std::string request_text(const std::string& command, const std::string& job,
                                       const std::string& researcher = "");

/// Sends a request to the daemon that runs on this state folder and returns its answer. kNotFound if none is listening,
/// kPermissionDenied if it doesn't answer this user.
Result<std::string> ask_daemon(const std::filesystem::path& state_dir, const std::string& request);

/// Returns the name of a Unix user, or "uid N" if the system has none.
[[nodiscard]] std::string user_name(unsigned uid);

}  // namespace consilium::approval
