#include "client/trainer_process/trainer_process.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "client/trainer_process/child.h"
#include "client/trainer_process/observed_confinement.h"
#include "client/trainer_process/readable_files.h"

namespace consilium::trainer {

namespace {

using namespace std::chrono_literals;

/// Time for an interpreter to start, LibTorch to load and CUDA to initialise.
constexpr auto kHelloTimeout = 120s;
constexpr auto kCancelGrace = 2s;
/// How long a trainer that closed its socket may take to exit.
constexpr auto kEndGrace = 2s;
/// How long a trainer that broke the protocol may take to exit.
constexpr auto kLastRecordGrace = 100ms;

Error out_of_turn(std::string_view what) {
  return {ErrorCode::kDataLoss, fmt::format("trainer protocol: the trainer {}", what)};
}

/// Makes a vector read-only for the trainer, and returns the descriptor to pass.
Result<Descriptor> read_only(const SharedVector& vector) {
  // F_SEAL_FUTURE_WRITE: our mapping stays writable, but no other writable mapping can be created, not even by
  // /proc/self/fd.
  const int seals = fcntl(vector.descriptor(), F_GET_SEALS);
  if ((seals & F_SEAL_FUTURE_WRITE) == 0) {
    fcntl(vector.descriptor(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
  }
  Descriptor reader(open(fmt::format("/proc/self/fd/{}", vector.descriptor()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!reader) {
    return fail(ErrorCode::kInternal, fmt::format("the global model's shared memory: {}", std::strerror(errno)));
  }
  return reader;
}

Result<void> check_size(std::string_view name, SharedVector& vector, std::uint64_t bytes) {
  if (vector.bytes().size() == bytes) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("shared memory of the {}: expected {} bytes, found {}", name, bytes, vector.bytes().size()));
}

Result<void> check_writable(std::string_view name, const SharedVector& vector) {
  if ((fcntl(vector.descriptor(), F_GET_SEALS) & F_SEAL_FUTURE_WRITE) == 0) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("shared memory of the {}: it has held a global model, so it can't take results", name));
}

}  // namespace

class TrainerProcess::Impl {
 public:
  explicit Impl(TrainerConfig config) : config_(std::move(config)) {}

  Result<Hello> start(const std::stop_token& stop);
  Result<Prepared> prepare(const Prepare& request, const std::stop_token& stop);
  Result<Trained> train(const Train& request, SharedVector& global, SharedVector& delta,
                        const std::function<void(const Progress&)>& progress, const std::stop_token& stop);
  Result<Evaluated> evaluate(const Evaluate& request, SharedVector& global, SharedVector& counts,
                             const std::stop_token& stop);
  Result<EvaluatedPatients> evaluate_patients(const EvaluatePatients& request, SharedVector& models,
                                              SharedVector& counts, const std::stop_token& stop);
  Result<void> look(const DataSource& data);
  void kill();
  void look_at_data_again() { look_again_ = true; }
  void allow(std::vector<std::filesystem::path> readable) { config_.readable = std::move(readable); }
  [[nodiscard]] const std::optional<Prepared>& prepared() const { return counted_; }
  [[nodiscard]] std::uint64_t peak_resident_bytes() const { return child_ ? child_->peak_resident_bytes() : 0; }
  [[nodiscard]] int pid() const { return child_ ? child_->pid() : -1; }

 private:
  Result<void> drop_if_dead();
  Result<Hello> await_hello(const std::stop_token& stop);
  Result<void> refuse_unconfined(const Hello& hello);
  Result<void> ensure_prepared(const std::stop_token& stop);
  Result<Prepared> send_prepare(const std::stop_token& stop);
  template <class Expected>
  Result<Expected> exchange(const Request& request, std::span<const int> descriptors,
                            const std::function<void(const Progress&)>* progress, const std::stop_token& stop);
  Result<Reply> next_reply(std::chrono::milliseconds timeout, const std::stop_token& stop);
  Error cancel();
  Error bury();
  Error condemn(Error error);

  TrainerConfig config_;
  std::unique_ptr<TrainerChild> child_;
  ReadableFiles readable_;   ///< what the current child may read
  bool look_again_ = false;  ///< the next prepare() compares `readable_` with what is there then
  Hello hello_;
  std::optional<Prepare> prepare_;  ///< the last request, repeated for a new child
  bool prepared_ = false;           ///< the current child has received it
  std::optional<Prepared> counted_;
};

void TrainerProcess::Impl::kill() {
  if (child_) child_->kill();
  child_.reset();
  prepared_ = false;
}

/// Ends a child that broke the protocol.
Error TrainerProcess::Impl::condemn(Error error) {
  kill();
  return error;
}

/// Returns why the child exited, and discards it.
Error TrainerProcess::Impl::bury() {
  const bool ended = child_->wait_ended(kEndGrace);
  if (!ended) child_->kill();
  Error cause = ended ? child_->cause_of_death() : out_of_turn("closed its socket but went on running");
  child_.reset();
  prepared_ = false;
  return cause;
}

Result<void> TrainerProcess::Impl::drop_if_dead() {
  if (!child_ || !child_->channel().readable()) return {};
  // The trainer owes us nothing between two requests, so what can be read is either the child's end or an unsolicited
  // record.
  const auto record = child_->channel().receive(0ms);
  const bool talked = record && record->has_value();
  kill();
  if (talked) return fail(out_of_turn("sent a record without a request"));
  return {};
}

Result<Hello> TrainerProcess::Impl::start(const std::stop_token& stop) {
  CONSILIUM_TRY(drop_if_dead());
  if (child_) return hello_;
  readable_ = find_readable_files(config_.readable, config_.secrets);
  TrainerConfig resolved = config_;
  resolved.readable = readable_.paths;
  CONSILIUM_ASSIGN(child_, TrainerChild::start(resolved));
  prepared_ = false;
  return await_hello(stop);
}

Result<Hello> TrainerProcess::Impl::await_hello(const std::stop_token& stop) {
  auto reply = next_reply(kHelloTimeout, stop);
  if (!reply) return fail(child_ ? condemn(reply.error()) : reply.error());
  if (const auto* failed = std::get_if<Failed>(&*reply)) return fail(condemn({failed->code, failed->message}));
  const auto* hello = std::get_if<Hello>(&*reply);
  if (hello == nullptr) return fail(condemn(out_of_turn("did not send its hello first")));
  if (hello->protocol != kProtocolVersion) {
    return fail(condemn(out_of_turn(fmt::format(
        "speaks version {} of the trainer protocol, but this client speaks version {}: install a matching trainer",
        hello->protocol, kProtocolVersion))));
  }
  if (config_.require_sandbox) CONSILIUM_TRY(refuse_unconfined(*hello));  // check: trainer-hello
  hello_ = *hello;
  return hello_;
}

/// Ends a child that isn't confined as the policy demands, according to the kernel or to the child itself.
Result<void> TrainerProcess::Impl::refuse_unconfined(const Hello& hello) {
  if (auto confined = check_confined(child_->pid()); !confined) {
    // The kernel shows nothing about a process that has exited.
    if (child_->wait_ended(kLastRecordGrace)) return fail(bury());
    return fail(condemn(confined.error()));
  }
  if (child_->decoder_pid() >= 0) {
    if (auto confined = check_confined(child_->decoder_pid()); !confined) {
      return fail(condemn(confined.error().within("the trainer's decoder")));
    }
  }
  if (!hello.sandboxed) {
    return fail(condemn(
        {ErrorCode::kFailedPrecondition, fmt::format("the trainer ({}) reports that it isn't confined, but policy.yaml "
                                                     "requires confinement: the trainer's lines in the log say why",
                                                     hello.software)}));
  }
  return {};
}

/// Receives and decodes one reply. Any fault in the reply or the child ends the child (kCancelled and kDeadlineExceeded
/// do not).
Result<Reply> TrainerProcess::Impl::next_reply(std::chrono::milliseconds timeout, const std::stop_token& stop) {
  auto record = child_->channel().receive(timeout, stop);
  if (!record) {
    const ErrorCode code = record.error().code;
    if (code == ErrorCode::kUnavailable) return fail(bury());
    if (code == ErrorCode::kCancelled) return fail(record.error());
    if (code == ErrorCode::kDeadlineExceeded) return fail(code, "the trainer does not answer");
    // If the child died in the middle of a record, report its death rather than a protocol error.
    if (child_->wait_ended(kLastRecordGrace)) return fail(bury());
    return fail(condemn(record.error()));
  }
  if (!record->has_value()) return fail(bury());
  if (!(*record)->descriptors.empty()) return fail(condemn(out_of_turn("sent descriptors")));
  auto reply = decode_reply((*record)->json);
  if (!reply) return fail(condemn(reply.error()));
  return reply;
}

/// Asks the child to stop, and ends it if it doesn't do so soon.
Error TrainerProcess::Impl::cancel() {
  const Error cancelled{ErrorCode::kCancelled, "cancelled"};
  if (!child_->channel().send(encode(Request(Cancel{})))) return condemn(cancelled);
  const auto deadline = std::chrono::steady_clock::now() + kCancelGrace;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= 0ms) return condemn(cancelled);
    const auto reply = next_reply(left, {});
    if (!reply) return child_ ? condemn(cancelled) : cancelled;
    if (!std::holds_alternative<Progress>(*reply)) return cancelled;  // the final reply, cancelled or not
  }
}

template <class Expected>
Result<Expected> TrainerProcess::Impl::exchange(const Request& request, std::span<const int> descriptors,
                                                const std::function<void(const Progress&)>* progress,
                                                const std::stop_token& stop) {
  if (auto sent = child_->channel().send(encode(request), descriptors); !sent) {
    if (sent.error().code == ErrorCode::kUnavailable) return fail(bury());
    return fail(condemn(sent.error()));
  }
  while (true) {
    if (stop.stop_requested()) return fail(cancel());
    auto reply = next_reply(RecordChannel::kForever, stop);
    if (!reply) {
      if (reply.error().code == ErrorCode::kCancelled && child_) return fail(cancel());
      return fail(reply.error());
    }
    if (const auto* answer = std::get_if<Expected>(&*reply)) return *answer;
    if (const auto* failed = std::get_if<Failed>(&*reply)) return fail(failed->code, failed->message);
    const auto* step = std::get_if<Progress>(&*reply);
    if (step == nullptr || progress == nullptr) {
      return fail(condemn(out_of_turn("answered with a record of another kind than expected")));
    }
    if (*progress) (*progress)(*step);
  }
}

Result<Prepared> TrainerProcess::Impl::send_prepare(const std::stop_token& stop) {
  prepared_ = false;
  CONSILIUM_ASSIGN(const Prepared answer, exchange<Prepared>(Request(*prepare_), {}, nullptr, stop));
  CONSILIUM_ASSIGN(const auto task, task_of(*prepare_));
  if (const auto checked = task->check_census(answer.train_examples, answer.class_examples); !checked)
    return fail(condemn(out_of_turn(checked.error().message)));
  prepared_ = true;
  counted_ = answer;
  return answer;
}

Result<Prepared> TrainerProcess::Impl::prepare(const Prepare& request, const std::stop_token& stop) {
  const bool looked = std::exchange(look_again_, false);
  if (looked && child_ && find_readable_files(config_.readable, config_.secrets) != readable_) kill();
  const bool warm = child_ != nullptr;
  CONSILIUM_TRY(start(stop));
  prepare_ = request;
  Result<Prepared> answer = send_prepare(stop);
  if (answer || !looked || !warm || !child_ || answer.error().code == ErrorCode::kCancelled) return answer;
  kill();
  CONSILIUM_TRY(start(stop));
  return send_prepare(stop);
}

Result<void> TrainerProcess::Impl::look(const DataSource& data) {
  CONSILIUM_TRY(start({}));
  if (!hello_.software.starts_with("consilium-trainer"))
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("the trainer ({}) isn't Consilium's own and can't be asked", hello_.software));
  CONSILIUM_TRY(exchange<Looked>(Request(Look{data}), {}, nullptr, {}));
  return {};
}

Result<void> TrainerProcess::Impl::ensure_prepared(const std::stop_token& stop) {
  if (!prepare_) return fail(ErrorCode::kFailedPrecondition, "no model and data were prepared");
  CONSILIUM_TRY(start(stop));
  if (!prepared_) CONSILIUM_TRY(send_prepare(stop));
  return {};
}

Result<Trained> TrainerProcess::Impl::train(const Train& request, SharedVector& global, SharedVector& delta,
                                            const std::function<void(const Progress&)>& progress,
                                            const std::stop_token& stop) {
  CONSILIUM_TRY(ensure_prepared(stop));
  CONSILIUM_TRY(check_size("global model", global, prepare_->parameter_count * sizeof(float)));
  CONSILIUM_TRY(check_size("delta", delta, prepare_->parameter_count * sizeof(float)));
  CONSILIUM_TRY(check_writable("delta", delta));
  CONSILIUM_ASSIGN(const Descriptor reader, read_only(global));
  const std::array descriptors{reader.get(), delta.descriptor()};
  CONSILIUM_ASSIGN(const Trained answer, exchange<Trained>(Request(request), descriptors, &progress, stop));
  if (answer.epochs_done > request.local_epochs || (answer.partial && request.time_limit_ms == 0)) {
    return fail(
        condemn(out_of_turn(fmt::format("reports {} epochs{}, but it was asked for {}", answer.epochs_done,
                                        answer.partial ? " before its time limit" : "", request.local_epochs))));
  }
  return answer;
}

Result<Evaluated> TrainerProcess::Impl::evaluate(const Evaluate& request, SharedVector& global, SharedVector& counts,
                                                 const std::stop_token& stop) {
  CONSILIUM_TRY(ensure_prepared(stop));
  CONSILIUM_ASSIGN(const auto task, task_of(*prepare_));
  CONSILIUM_TRY(check_size("global model", global, prepare_->parameter_count * sizeof(float)));
  CONSILIUM_TRY(check_size("counts", counts, task->evaluation_elements() * sizeof(std::uint64_t)));
  CONSILIUM_TRY(check_writable("counts", counts));
  CONSILIUM_ASSIGN(const Descriptor reader, read_only(global));
  const std::array descriptors{reader.get(), counts.descriptor()};
  return exchange<Evaluated>(Request(request), descriptors, nullptr, stop);
}

Result<EvaluatedPatients> TrainerProcess::Impl::evaluate_patients(const EvaluatePatients& request, SharedVector& models,
                                                                  SharedVector& counts, const std::stop_token& stop) {
  CONSILIUM_TRY(ensure_prepared(stop));
  CONSILIUM_ASSIGN(const auto task, task_of(*prepare_));
  CONSILIUM_TRY(check_size("models", models, request.models * prepare_->parameter_count * sizeof(float)));
  CONSILIUM_TRY(check_size("counts", counts, request.patients * task->evaluation_elements() * sizeof(std::uint64_t)));
  CONSILIUM_TRY(check_writable("counts", counts));
  CONSILIUM_ASSIGN(const Descriptor reader, read_only(models));
  const std::array descriptors{reader.get(), counts.descriptor()};
  return exchange<EvaluatedPatients>(Request(request), descriptors, nullptr, stop);
}

namespace {

template <class T>
Result<T> named(std::string_view what, Result<T> result) {
  if (!result && result.error().code != ErrorCode::kCancelled) return fail(result.error().within(what));
  return result;
}

}  // namespace

TrainerProcess::TrainerProcess(TrainerConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {}
TrainerProcess::~TrainerProcess() = default;

Result<Hello> TrainerProcess::start() { return named("starting the trainer failed", impl_->start({})); }

Result<Prepared> TrainerProcess::prepare(const Prepare& request, std::stop_token stop) {
  return named("preparing data and model failed", impl_->prepare(request, stop));
}

Result<Trained> TrainerProcess::train(const Train& request, SharedVector& global, SharedVector& delta,
                                      const std::function<void(const Progress&)>& progress, std::stop_token stop) {
  return named("training failed", impl_->train(request, global, delta, progress, stop));
}

Result<Evaluated> TrainerProcess::evaluate(const Evaluate& request, SharedVector& global, SharedVector& counts,
                                           std::stop_token stop) {
  return named("evaluation failed", impl_->evaluate(request, global, counts, stop));
}

Result<EvaluatedPatients> TrainerProcess::evaluate_patients(const EvaluatePatients& request, SharedVector& models,
                                                            SharedVector& counts, std::stop_token stop) {
  return named("evaluation failed", impl_->evaluate_patients(request, models, counts, stop));
}

const std::optional<Prepared>& TrainerProcess::prepared() const { return impl_->prepared(); }

Result<void> TrainerProcess::look(const DataSource& data) { return impl_->look(data); }

void TrainerProcess::allow(std::vector<std::filesystem::path> readable) { impl_->allow(std::move(readable)); }
void TrainerProcess::look_at_data_again() { impl_->look_at_data_again(); }

void TrainerProcess::kill() { impl_->kill(); }

std::uint64_t TrainerProcess::peak_resident_bytes() const { return impl_->peak_resident_bytes(); }

int TrainerProcess::pid() const { return impl_->pid(); }

}  // namespace consilium::trainer
