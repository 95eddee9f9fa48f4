#include "client/trainer/server.h"

#include <utility>
#include <variant>

#include "client/trainer/data/openable.h"
#include "client/trainer/mapped_memory.h"
#include "client/trainer/protocol/record_limits.h"
#include "client/trainer/training/evaluation.h"

namespace consilium::trainer {
namespace {

constexpr std::chrono::milliseconds kProgressEvery{200};

/// Returns the code that a Failed carries for this one. A code that the protocol doesn't allow becomes kInternal.
ErrorCode told(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kCancelled:
      return code;
    case ErrorCode::kDataLoss:  // a malformed record
      return ErrorCode::kInvalidArgument;
    default:
      return ErrorCode::kInternal;
  }
}

Failed failed(const Error& error) {
  std::string message = error.message.substr(0, kMaxMessageBytes);
  return {.code = told(error.code), .message = message.empty() ? "failed" : std::move(message)};
}

Result<void> expect_two_vectors(const Record& record, const Network* network) {
  if (network == nullptr) {
    return fail(ErrorCode::kFailedPrecondition, "expected a 'prepare' message first, found another one");
  }
  if (record.descriptors.size() != 2) {
    return fail(ErrorCode::kInvalidArgument, "expected 2 descriptors of shared memory beside the record, found " +
                                                 std::to_string(record.descriptors.size()));
  }
  return {};
}

}  // namespace

Result<void> Server::run(const Hello& hello) {
  CONSILIUM_TRY(send(hello));
  while (!closed_) {
    CONSILIUM_ASSIGN(const std::optional<Record> record, channel_.receive());
    if (!record) {
      break;
    }
    CONSILIUM_TRY(answer(*record));
    if (broken_) {
      return fail(*broken_);
    }
  }
  return {};
}

Result<void> Server::answer(const Record& record) {
  const Result<Request> request = decode_request(record.json);
  if (!request) {
    return send(failed(request.error()));
  }
  if (std::holds_alternative<Cancel>(*request)) {
    return {};  // no request is being handled
  }
  const Result<Reply> reply = reply_to(*request, record);
  if (closed_) {
    return {};
  }
  return send(reply ? *reply : Reply(failed(reply.error())));
}

Result<Reply> Server::reply_to(const Request& request, const Record& record) {
  if (const auto* prepare = std::get_if<Prepare>(&request)) {
    CONSILIUM_ASSIGN(Prepared prepared, workspace_.prepare(*prepare));
    return Reply(std::move(prepared));
  }
  if (const auto* train = std::get_if<Train>(&request)) {
    return train_from(*train, record);
  }
  if (const auto* patients = std::get_if<EvaluatePatients>(&request)) {
    return evaluate_patients_on(*patients, record);
  }
  if (const auto* look = std::get_if<Look>(&request)) {
    CONSILIUM_TRY(data::open_every_file(look->data));
    return Reply(Looked{});
  }
  return evaluate_on(std::get<Evaluate>(request), record);
}

Result<Reply> Server::train_from(const Train& request, const Record& record) {
  Network* network = workspace_.network();
  CONSILIUM_TRY(expect_two_vectors(record, network));
  const std::uint64_t bytes = network->manifest().parameter_count() * sizeof(float);
  CONSILIUM_ASSIGN(const MappedMemory global,
                   MappedMemory::map(record.descriptors[0], bytes, false, "the global model"));
  CONSILIUM_ASSIGN(const MappedMemory delta, MappedMemory::map(record.descriptors[1], bytes, true, "the delta"));
  CONSILIUM_ASSIGN(const Trained trained, train(*network, workspace_.task(), workspace_.training(), request,
                                                global.as<const float>(), delta.as<float>(), hooks()));
  return Reply(trained);
}

Result<Reply> Server::evaluate_on(const Evaluate& request, const Record& record) {
  Network* network = workspace_.network();
  CONSILIUM_TRY(expect_two_vectors(record, network));
  const std::uint64_t bytes = network->manifest().parameter_count() * sizeof(float);
  const std::uint64_t count_bytes = workspace_.task().task().evaluation_elements() * sizeof(std::uint64_t);
  CONSILIUM_ASSIGN(const MappedMemory global,
                   MappedMemory::map(record.descriptors[0], bytes, false, "the global model"));
  CONSILIUM_ASSIGN(const MappedMemory counts,
                   MappedMemory::map(record.descriptors[1], count_bytes, true, "the counts"));
  Hooks silent;  // only training reports progress
  silent.cancelled = [this] { return cancelled(); };
  CONSILIUM_ASSIGN(const Evaluated evaluated,
                   evaluate(*network, workspace_.task(), workspace_.split(request.split), request.batch_size,
                            global.as<const float>(), counts.as<std::uint64_t>(), silent));
  return Reply(evaluated);
}

Result<Reply> Server::evaluate_patients_on(const EvaluatePatients& request, const Record& record) {
  Network* network = workspace_.network();
  CONSILIUM_TRY(expect_two_vectors(record, network));
  const std::uint64_t bytes = request.models * network->manifest().parameter_count() * sizeof(float);
  const std::uint64_t count_bytes =
      request.patients * workspace_.task().task().evaluation_elements() * sizeof(std::uint64_t);
  CONSILIUM_ASSIGN(const MappedMemory models, MappedMemory::map(record.descriptors[0], bytes, false, "the models"));
  CONSILIUM_ASSIGN(const MappedMemory counts,
                   MappedMemory::map(record.descriptors[1], count_bytes, true, "the counts"));
  Hooks silent;
  silent.cancelled = [this] { return cancelled(); };
  CONSILIUM_ASSIGN(const EvaluatedPatients evaluated,
                   evaluate_patients(*network, workspace_.task(), workspace_.split(request.split), request,
                                     models.as<const float>(), counts.as<std::uint64_t>(), silent));
  return Reply(evaluated);
}

bool Server::cancelled() {
  if (closed_ || broken_) {
    return true;
  }
  if (!channel_.readable()) {
    return false;
  }
  auto received = channel_.receive(std::chrono::milliseconds(0));
  if (!received) {
    if (received.error().code == ErrorCode::kDeadlineExceeded) {
      return false;  // only part of a record has arrived
    }
    broken_ = received.error();
    return true;
  }
  if (!*received) {
    closed_ = true;
    return true;
  }
  const Result<Request> request = decode_request((*received)->json);
  if (request && std::holds_alternative<Cancel>(*request)) {
    return true;
  }
  broken_ = Error{ErrorCode::kDataLoss, "the client sent another request before the answer to the previous one"};
  return true;
}

Hooks Server::hooks() {
  Hooks hooks;
  hooks.cancelled = [this] { return cancelled(); };
  hooks.progress = [this, latest = std::chrono::steady_clock::now()](const Progress& progress) mutable {
    const auto now = std::chrono::steady_clock::now();
    if (now - latest < kProgressEvery && progress.steps_done != progress.steps_total) {
      return;
    }
    latest = now;
    if (auto sent = send(progress); !sent) {
      broken_ = sent.error();
    }
  };
  return hooks;
}

}  // namespace consilium::trainer
