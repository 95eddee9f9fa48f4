#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "client/trainer/protocol/channel.h"
#include "client/trainer/protocol/messages.h"
#include "client/trainer/training/local_training.h"
#include "client/trainer/workspace.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// The trainer's side of the conversation with its host (docs/formats/trainer_protocol.md). Answers requests one by one
/// until the host closes the socket. If a request fails, the answer is the error, and the trainer goes on.
class Server {
 public:
  Server(RecordChannel channel, Workspace workspace) : channel_(std::move(channel)), workspace_(std::move(workspace)) {}

  /// Sends the hello, then serves until the host closes the socket. Fails if the channel breaks.
  Result<void> run(const Hello& hello);

 private:
  Result<void> answer(const Record& record);
  Result<Reply> reply_to(const Request& request, const Record& record);
  Result<Reply> train_from(const Train& request, const Record& record);
  Result<Reply> evaluate_on(const Evaluate& request, const Record& record);
  Result<Reply> evaluate_patients_on(const EvaluatePatients& request, const Record& record);
  /// Checks between two steps whether a Cancel has arrived.
  bool cancelled();
  Hooks hooks();
  Result<void> send(const Reply& reply) { return channel_.send(encode(reply)); }

  RecordChannel channel_;
  Workspace workspace_;
  bool closed_ = false;
  std::optional<Error> broken_;  ///< the channel's error, if it broke while a request was being handled
};

}  // namespace consilium::trainer
