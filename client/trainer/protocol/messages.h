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

/// The conversation between a client daemon (host) and its trainer, over a Unix stream socket: records of a 4-byte
/// little-endian length and that many bytes of JSON (docs/formats/trainer_protocol.md). Vectors travel in shared
/// memory: the host passes memfds beside a record (SCM_RIGHTS).
namespace consilium::trainer {

/// Version of the protocol; a trainer that says another one is refused.
inline constexpr std::uint32_t kProtocolVersion = 1;
/// Models whose mean is evaluated, at most.
inline constexpr std::uint32_t kMaxEvaluatedModels = 1000;
/// Patients that are evaluated by one request, at most.
inline constexpr std::uint64_t kMaxEvaluatedPatients = 1'000'000;
/// Largest record, in bytes.
inline constexpr std::size_t kMaxRecordBytes = 1 << 20;

// Host to trainer.

/// An atlas as the job names it, in the file that the site has of it.
struct AtlasFile {
  std::string path;
  crypto::Digest sha256{};     ///< the file's, as the job has it
  std::uint32_t channels = 1;  ///< maps in it
  bool operator==(const AtlasFile&) const = default;
};

/// Load data and build the model; what is loaded already is kept. Answered by Prepared.
struct Prepare {
  model::ModelSpec model;
  DataSource data;
  std::optional<job::Normalization> normalize;
  std::uint64_t parameter_count = 0;  ///< floats of the model's manifest
  task::TaskSpec task{};
  task::LossSpec loss{};
  job::Precision precision = job::Precision::kFloat32;
  std::optional<AtlasFile> atlas{};  ///< the last channels of the model's input
  bool operator==(const Prepare&) const = default;
};

/// Train from the global model. Carries two memfds: the global model (read-only), and where the delta goes; each holds
/// parameter_count float32. Answered by any number of Progress, then Trained.
struct Train {
  std::string site;  ///< names the random streams, with seed and round
  std::uint32_t round = 0;
  std::uint64_t seed = 0;
  std::uint32_t local_epochs = 1;
  std::uint32_t batch_size = 1;
  job::OptimizerSpec optimizer;
  double proximal_mu = 0.0;
  std::uint64_t time_limit_ms = 0;  ///< 0: none
  double gradient_clip = 0.0;       ///< largest norm of a step's gradient; 0: none
  job::RateFactors learning_rates{};
  bool operator==(const Train&) const = default;
};
/// Evaluate the global model on a split. Carries two memfds: the global model, and where the counts go: uint64, as many
/// as Task::evaluation_elements(), in the order of the task's fields. Answered by Evaluated.
struct Evaluate {
  job::Split split = job::Split::kVal;
  std::uint32_t batch_size = 256;
  bool operator==(const Evaluate&) const = default;
};
/// Evaluate a model on some of a split's patients, each by itself, or the mean of several models' probabilities.
/// Carries two memfds: the models, one after the other, and where the counts go: for each patient what Evaluate gives.
/// Simulators ask for it, daemons never do. Answered by EvaluatedPatients.
struct EvaluatePatients {
  job::Split split = job::Split::kTest;
  std::uint32_t batch_size = 256;
  std::uint32_t models = 1;
  std::uint64_t first_patient = 0;
  std::uint64_t patients = 1;  ///< that there is room for
  bool operator==(const EvaluatePatients&) const = default;
};
/// Open the files of a data set without loading them, as far as it takes to say whether the data set can be read here.
/// Asked by `consilium-client --check`. Answered by Looked or Failed.
struct Look {
  DataSource data;
  bool operator==(const Look&) const = default;
};
/// Leave what is going on; answered by Failed with code cancelled (or by what was finished already).
struct Cancel {
  bool operator==(const Cancel&) const = default;
};
using Request = std::variant<Prepare, Train, Evaluate, EvaluatePatients, Look, Cancel>;

// Trainer to host.

/// First record of a trainer, before any request.
struct Hello {
  std::uint32_t protocol = kProtocolVersion;
  std::string software;    ///< e.g. "consilium-trainer 0.1.0, LibTorch 2.13.0"
  std::string device;      ///< "cpu" or "cuda:0"
  bool sandboxed = false;  ///< it has denied itself socket, exec, ptrace and friends
  bool operator==(const Hello&) const = default;
};
struct Prepared {
  std::uint64_t train_examples = 0;
  std::uint64_t val_examples = 0;
  std::uint64_t test_examples = 0;
  std::vector<std::uint64_t> class_examples;  ///< training examples that hold each class
  bool operator==(const Prepared&) const = default;
};
struct Progress {
  std::uint64_t steps_done = 0;
  std::uint64_t steps_total = 0;
  bool operator==(const Progress&) const = default;
};
struct Trained {
  double mean_loss = 0.0;         ///< over the steps of the last epoch that was begun
  std::uint32_t epochs_done = 0;  ///< whole ones
  bool partial = false;           ///< the time limit ended it
  double seconds = 0.0;
  bool operator==(const Trained&) const = default;
};
struct Evaluated {
  double seconds = 0.0;
  bool operator==(const Evaluated&) const = default;
};
struct EvaluatedPatients {
  double seconds = 0.0;
  std::uint64_t all = 0;  ///< patients of the split; an example without one counts as a patient of its own
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

/// Makes the task of a request. Fails with kInvalidArgument where it doesn't fit the model's classes.
Result<std::shared_ptr<const task::Task>> task_of(const Prepare& request);

/// Writes a record's JSON; the length prefix is the channel's.
[[nodiscard]] std::string encode(const Request& request);
[[nodiscard]] std::string encode(const Reply& reply);
/// Reads a record's JSON. Hostile input: unknown types and keys, wrong kinds of value, NaN and out-of-range numbers are
/// refused with the key's path.
Result<Request> decode_request(std::string_view json);
Result<Reply> decode_reply(std::string_view json);

}  // namespace consilium::trainer
