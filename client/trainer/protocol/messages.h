#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/trainer/protocol/data_source.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"
#include "common/task/task.h"

/// The conversation between a client daemon (host) and its trainer, over a Unix stream socket. A record is a 4-byte
/// little-endian length followed by that many bytes of JSON (docs/formats/trainer_protocol.md). Vectors are passed in
/// shared memory: the host sends memfds with a record (SCM_RIGHTS).
namespace consilium::trainer {

/// The version of the protocol. A trainer with another version is rejected.
inline constexpr std::uint32_t kProtocolVersion = 1;
/// The maximum number of models whose mean is evaluated.
inline constexpr std::uint32_t kMaxEvaluatedModels = 1000;
/// The maximum number of patients that one request evaluates.
inline constexpr std::uint64_t kMaxEvaluatedPatients = 1'000'000;
/// The maximum size of a record, in bytes.
inline constexpr std::size_t kMaxRecordBytes = 1 << 20;

// Messages from the host to the trainer.

/// An atlas that the job names, in the file that the site provides for it.
struct AtlasFile {
  std::string path;
  crypto::Digest sha256{};     ///< the file's hash, as the job states it
  std::uint32_t channels = 1;  ///< number of maps in it
  bool operator==(const AtlasFile&) const = default;
};

/// Asks the trainer to load data and build the model; what is already loaded is kept. Answered by Prepared.
struct Prepare {
  model::ModelSpec model;
  DataSource data;
  std::optional<job::Normalization> normalize;
  std::uint64_t parameter_count = 0;  ///< floats of the model's manifest
  task::TaskSpec task{};
  task::LossSpec loss{};
  job::Precision precision = job::Precision::kFloat32;
  std::optional<AtlasFile> atlas{};  ///< provides the last channels of the model's input
  bool operator==(const Prepare&) const = default;
};

/// Asks the trainer to train from the global model. Comes with two memfds: the global model (read-only), and the memory
/// for the delta. Each holds parameter_count float32. Answered by any number of Progress, then Trained.
struct Train {
  std::string site;  ///< determines the random streams, together with seed and round
  std::uint32_t round = 0;
  std::uint64_t seed = 0;
  std::uint32_t local_epochs = 1;
  std::uint32_t batch_size = 1;
  job::OptimizerSpec optimizer;
  double proximal_mu = 0.0;
  std::uint64_t time_limit_ms = 0;  ///< 0: none
  double gradient_clip = 0.0;       ///< maximum norm of a step's gradient; 0: none
  job::RateFactors learning_rates{};
  bool operator==(const Train&) const = default;
};
/// Asks the trainer to evaluate the global model on a split. Comes with two memfds: the global model, and the memory
/// for the counts: Task::evaluation_elements() values of uint64, in the order of the task's fields. Answered by
/// Evaluated.
struct Evaluate {
  job::Split split = job::Split::kVal;
  std::uint32_t batch_size = 256;
  bool operator==(const Evaluate&) const = default;
};
/// Asks the trainer to evaluate a model, or the mean of several models' probabilities, on each of some of a split's
/// patients separately. Comes with two memfds: the models, one after another, and the memory for the counts, which
/// holds for each patient what Evaluate gives. Only simulators send it, never daemons. Answered by EvaluatedPatients.
struct EvaluatePatients {
  job::Split split = job::Split::kTest;
  std::uint32_t batch_size = 256;
  std::uint32_t models = 1;
  std::uint64_t first_patient = 0;
  std::uint64_t patients = 1;  ///< number of patients that there is room for
  bool operator==(const EvaluatePatients&) const = default;
};
/// Asks the trainer to open the files of a data set without loading them, only to find out whether it can be read here.
/// Sent by `consilium-client --check`. Answered by Looked or Failed.
struct Look {
  DataSource data;
  bool operator==(const Look&) const = default;
};
/// Asks the trainer to stop its current request. Answered by Failed with code cancelled (or by the result, if the
/// request was finished already).
struct Cancel {
  bool operator==(const Cancel&) const = default;
};
using Request = std::variant<Prepare, Train, Evaluate, EvaluatePatients, Look, Cancel>;

// Messages from the trainer to the host.

/// The first record that a trainer sends, before any request.
struct Hello {
  std::uint32_t protocol = kProtocolVersion;
  std::string software;    ///< e.g. "consilium-trainer 0.1.0, LibTorch 2.13.0"
  std::string device;      ///< "cpu" or "cuda:0"
  bool sandboxed = false;  ///< it has denied itself socket, exec, ptrace and similar calls
  bool operator==(const Hello&) const = default;
};
struct Prepared {
  std::uint64_t train_examples = 0;
  std::uint64_t val_examples = 0;
  std::uint64_t test_examples = 0;
  std::vector<std::uint64_t> class_examples;  ///< number of training examples of each class
  bool operator==(const Prepared&) const = default;
};
struct Progress {
  std::uint64_t steps_done = 0;
  std::uint64_t steps_total = 0;
  bool operator==(const Progress&) const = default;
};
struct Trained {
  double mean_loss = 0.0;         ///< over the last epoch that was started
  std::uint32_t epochs_done = 0;  ///< complete ones
  bool partial = false;           ///< the time limit ended the training
  double seconds = 0.0;
  bool operator==(const Trained&) const = default;
};
struct Evaluated {
  double seconds = 0.0;
  bool operator==(const Evaluated&) const = default;
};
struct EvaluatedPatients {
  double seconds = 0.0;
  std::uint64_t all = 0;  ///< number of patients of the split; an example without one counts as a patient of its own
  bool operator==(const EvaluatedPatients&) const = default;
};
struct Looked {
  bool operator==(const Looked&) const = default;
};
struct Failed {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  bool operator==(const Failed&) const = default;
};
using Reply = std::variant<Hello, Prepared, Progress, Trained, Evaluated, EvaluatedPatients, Looked, Failed>;

/// Creates the task of a request. Fails with kInvalidArgument if it doesn't fit the model's classes.
Result<std::shared_ptr<const task::Task>> task_of(const Prepare& request);

/// Encodes a record's JSON; the channel adds the length prefix.
[[nodiscard]] std::string encode(const Request& request);
[[nodiscard]] std::string encode(const Reply& reply);
/// Parses a record's JSON. It is hostile input: unknown types and keys, wrong kinds of value, NaN and out-of-range
/// numbers are rejected, and the error names the key's path.
Result<Request> decode_request(std::string_view json);
Result<Reply> decode_reply(std::string_view json);

}  // namespace consilium::trainer
