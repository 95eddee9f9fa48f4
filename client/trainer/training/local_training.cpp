#include "client/trainer/training/local_training.h"

#include <ATen/core/grad_mode.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <vector>

#include "client/trainer/models/torch_errors.h"
#include "client/trainer/training/epoch_loss.h"
#include "client/trainer/training/optimizer.h"
#include "client/trainer/training/shuffle.h"
#include "common/random/random_stream.h"

namespace consilium::trainer {
namespace {

at::Generator dropout_generator(const Train& request, const at::Device& device) {
  RandomStream stream(request.seed, RandomPurpose::kDropout, request.round, request.site);
  at::Generator generator = at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(stream.next_u64());
  return generator;
}

/// One site's training in one round.
class LocalTraining {
 public:
  LocalTraining(Network& network, const LearningTask& task, const ExampleSource& examples, const Train& request,
                const Hooks& hooks)
      : network_(network),
        task_(task),
        examples_(examples),
        request_(request),
        hooks_(hooks),
        optimizer_(request.optimizer, request.learning_rates, request.proximal_mu, network.storage()),
        pass_{.training = true, .generator = dropout_generator(request, network.device())},
        start_(hooks.now()) {
    const auto batch = static_cast<std::uint64_t>(request.batch_size);
    const auto size = static_cast<std::uint64_t>(examples.size());
    progress_.steps_total = (size + batch - 1) / batch * request.local_epochs;
  }

  Result<Trained> run() {
    Shuffle shuffle(request_.seed, request_.round, request_.site, examples_.size());
    for (std::uint32_t epoch = 1; epoch <= request_.local_epochs && !trained_.partial; ++epoch) {
      CONSILIUM_TRY(run_epoch(epoch, shuffle.next_epoch()));
    }
    trained_.seconds = std::chrono::duration<double>(hooks_.now() - start_).count();
    return trained_;
  }

 private:
  Result<void> run_epoch(std::uint32_t epoch, std::span<const std::int64_t> order) {
    EpochLoss loss(task_);
    examples_.begin({request_.seed, request_.round, request_.site, epoch}, order);
    for (std::size_t at = 0; at < order.size(); at += request_.batch_size) {
      if (hooks_.cancelled()) {
        return fail(ErrorCode::kCancelled, fmt::format("round {}: cancelled in epoch {}", request_.round, epoch));
      }
      CONSILIUM_ASSIGN(const Batch batch, examples_.batch(order.subspan(
                                              at, std::min<std::size_t>(request_.batch_size, order.size() - at))));
      const std::vector<at::Tensor> outputs = network_.forward(batch.images, pass_);
      network_.backward(loss.step(outputs, batch.target, batch.images.size(0)));
      CONSILIUM_TRY(check(loss, epoch));
      if (request_.gradient_clip > 0.0) clip_gradient_norm(network_.storage().gradients(), request_.gradient_clip);
      optimizer_.step();
      ++progress_.steps_done;
      hooks_.progress(progress_);
      if (out_of_time() && progress_.steps_done < progress_.steps_total) {
        trained_.partial = true;
        break;
      }
    }
    loss.look();
    CONSILIUM_TRY(check(loss, epoch));
    trained_.mean_loss = loss.mean();
    const bool whole =
        !trained_.partial || progress_.steps_done * request_.local_epochs == progress_.steps_total * epoch;
    trained_.epochs_done += whole ? 1 : 0;
    return {};
  }

  [[nodiscard]] Result<void> check(const EpochLoss& loss, std::uint32_t epoch) const {
    if (const auto& broken = loss.broken()) {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format(
              "round {}: loss became {} in epoch {}, step {}; a lower training.optimizer.learning_rate may help",
              request_.round, broken->nan ? "NaN" : "infinite", epoch, broken->step));
    }
    return {};
  }

  [[nodiscard]] bool out_of_time() const {
    return request_.time_limit_ms != 0 && hooks_.now() - start_ >= std::chrono::milliseconds(request_.time_limit_ms);
  }

  Network& network_;
  const LearningTask& task_;
  const ExampleSource& examples_;
  const Train& request_;
  const Hooks& hooks_;
  Optimizer optimizer_;
  Pass pass_;
  std::chrono::steady_clock::time_point start_;
  Progress progress_;
  Trained trained_;
};

Result<void> check_request(const Network& network, const Train& request, std::span<const float> global,
                           std::span<float> delta) {
  const std::size_t expected = network.manifest().parameter_count();
  if (global.size() != expected || delta.size() != expected) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("the model has {} parameters, but the vectors hold {} and {}",
                                                         expected, global.size(), delta.size()));
  }
  if (request.batch_size == 0 || request.local_epochs == 0) {
    return fail(ErrorCode::kInvalidArgument, "train: batch_size and local_epochs must be at least 1");
  }
  return {};
}

}  // namespace

Result<Trained> train(Network& network, const LearningTask& task, const ExampleSource& examples, const Train& request,
                      std::span<const float> global, std::span<float> delta, const Hooks& hooks) {
  CONSILIUM_TRY(check_request(network, request, global, delta));
  return without_exceptions(fmt::format("round {}", request.round), [&]() -> Result<Trained> {
    const at::NoGradGuard unrecorded;
    network.storage().load(global);
    LocalTraining training(network, task, examples, request, hooks);
    CONSILIUM_ASSIGN(const Trained trained, training.run());
    network.storage().store_difference(global, delta);
    return trained;
  });
}

}  // namespace consilium::trainer
