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

/// The trainer's side of the conversation with its host (docs/formats/trainer_protocol.md): answers requests one by one
/// until the host closes the socket. A request that fails is answered so, and the trainer lives on.
class Server {
 public:
  Server(RecordChannel channel, Workspace workspace) : channel_(std::move(channel)), workspace_(std::move(workspace)) {}

  /// Says hello, then serves until the host closes. Fails where the channel breaks.
  Result<void> run(const Hello& hello);

 private:
  Result<void> answer(const Record& record);
  Result<Reply> reply_to(const Request& request, const Record& record);
  Result<Reply> train_from(const Train& request, const Record& record);
  Result<Reply> evaluate_on(const Evaluate& request, const Record& record);
  Result<Reply> evaluate_patients_on(const EvaluatePatients& request, const Record& record);
  /// Looks for a Cancel between two steps.
  bool cancelled();
  Hooks hooks();
  Result<void> send(const Reply& reply) { return channel_.send(encode(reply)); }

  RecordChannel channel_;
  Workspace workspace_;
  bool closed_ = false;
  std::optional<Error> broken_;  ///< what the channel said while a request was going on
};

}  // namespace consilium::trainer
