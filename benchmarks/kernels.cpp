// Compares each of the trainer's own CPU kernels with its counterpart in LibTorch, alternately, forward and backward.
// Milliseconds are wall time, the fastest of 30 rounds each.
//   kernel_speed [--json] [--threads N]
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/fastest.h"
#include "client/trainer/models/cpu_kernels.h"
#include "client/trainer/models/kernel_functions.h"

namespace {

using namespace consilium;
namespace kernels = trainer::kernels;

constexpr std::size_t kRounds = 30;

struct Row {
  std::string what;
  std::function<void()> own;
  std::function<void()> torch;
  benchmarks::Cost own_cost{};
  benchmarks::Cost torch_cost{};
};

/// A parameter whose gradient is a view of the trainer's flat tensor. The view is set once; gradients then overwrite it
/// or are added to it.
struct Parameter {
  explicit Parameter(const std::vector<std::int64_t>& shape)
      : value(at::randn(shape).set_requires_grad(true)), gradient(at::zeros(shape)) {
    value.mutable_grad() = gradient;
  }
  [[nodiscard]] trainer::DirectParameter direct() const { return {value, gradient}; }
  at::Tensor value;
  at::Tensor gradient;
};

/// Runs the backward pass with an output gradient such as the next layer would supply.
void backward(const at::Tensor& output) { torch::autograd::backward({output}, {at::ones_like(output)}); }

/// A convolution with few input channels, and its bias. The first one of a network has no gradient to pass to its
/// input.
Row convolution(const char* what, at::IntArrayRef image, std::int64_t filters, std::int64_t side) {
  const at::Tensor input = at::randn(image);
  const Parameter weight({filters, image[1], side, side});
  const Parameter bias({filters});
  const std::int64_t padding = side / 2;
  return {what, [=] { backward(trainer::unfolded_convolution(input, weight.direct(), bias.direct(), 1, padding)); },
          [=] {
            weight.gradient.zero_();
            bias.gradient.zero_();
            backward(at::conv2d(input, weight.value, bias.value, {1, 1}, {padding, padding}));
          }};
}

Row linear(const char* what, std::int64_t batch, std::int64_t inputs, std::int64_t outputs) {
  const at::Tensor input = at::randn({batch, inputs}).set_requires_grad(true);
  const Parameter weight({outputs, inputs});
  const Parameter bias({outputs});
  const auto forget = [input] { at::Tensor(input).mutable_grad().reset(); };
  return {what,
          [=] {
            forget();
            backward(trainer::direct_linear(input, weight.direct(), bias.direct()));
          },
          [=] {
            forget();
            weight.gradient.zero_();
            bias.gradient.zero_();
            backward(at::linear(input, weight.value, bias.value));
          }};
}

Row pool(const char* what, at::IntArrayRef image, bool rectify) {
  const at::Tensor input = at::randn(image).set_requires_grad(true);
  const auto forget = [input] { at::Tensor(input).mutable_grad().reset(); };
  return {what,
          [=] {
            forget();
            backward(trainer::max_pool_on_cpu(input, 2, 2, rectify));
          },
          [=] {
            forget();
            backward(at::max_pool2d(rectify ? at::relu(input) : input, {2, 2}, {2, 2}));
          }};
}

/// Runs a step on parts of the parameters, as the trainer's optimiser does.
template <class Part>
void in_parts(std::int64_t size, const Part& part) {
  at::parallel_for(0, size, 1 << 15,
                   [&](std::int64_t begin, std::int64_t end) { part(begin, static_cast<std::size_t>(end - begin)); });
}

/// Makes the passes of torch.optim.SGD over one tensor of all parameters.
Row sgd(std::int64_t size) {
  const at::Tensor weights = at::randn({size});
  const at::Tensor gradient = at::randn({size});
  const at::Tensor buffer = at::zeros({size});
  const at::Tensor anchor = weights.clone();
  const kernels::SgdStep step{.learning_rate = 1e-3F, .momentum = 0.9F, .weight_decay = 1e-4F, .proximal_mu = 0.1F};
  return {"SGD with momentum, weight decay and FedProx's term, 10 M parameters",
          [=] {
            in_parts(size, [&](std::int64_t begin, std::size_t count) {
              kernels::sgd_step(weights.mutable_data_ptr<float>() + begin, gradient.const_data_ptr<float>() + begin,
                                buffer.mutable_data_ptr<float>() + begin, anchor.const_data_ptr<float>() + begin, count,
                                step);
            });
          },
          [=] {
            const at::Tensor whole = gradient.add(weights - anchor, 0.1).add(weights, 1e-4);
            at::Tensor(buffer).mul_(0.9).add_(whole);
            at::Tensor(weights).add_(buffer, -1e-3);
          }};
}

Row adam(std::int64_t size) {
  const at::Tensor weights = at::randn({size});
  const at::Tensor gradient = at::randn({size});
  const at::Tensor first = at::zeros({size});
  const at::Tensor second = at::zeros({size});
  const kernels::AdamStep step{.learning_rate = 1e-3F,
                               .fresh1 = 0.1F,
                               .beta2 = 0.999F,
                               .fresh2 = 1e-3F,
                               .epsilon = 1e-8F,
                               .step_size = 1e-3F,
                               .root_bias_correction = 1.0F};
  return {"Adam, 10 M parameters",
          [=] {
            in_parts(size, [&](std::int64_t begin, std::size_t count) {
              kernels::adam_step(weights.mutable_data_ptr<float>() + begin, gradient.const_data_ptr<float>() + begin,
                                 first.mutable_data_ptr<float>() + begin, second.mutable_data_ptr<float>() + begin,
                                 nullptr, count, step);
            });
          },
          [=] {
            at::Tensor(first).lerp_(gradient, 0.1);
            at::Tensor(second).mul_(0.999).addcmul_(gradient, gradient, 1e-3);
            at::Tensor(weights).addcdiv_(first, second.sqrt().add_(1e-8), -1e-3);
          }};
}

/// A batch of 64 images of 3 x 64 x 64 out of 2,000, normalised by channel.
Row gather(bool bytes) {
  constexpr std::int64_t kBatch = 64;
  const at::Tensor images =
      bytes ? at::randint(256, {2000, 3, 4096}, at::kByte) : at::rand({2000, 3, 4096}, at::kFloat);
  const at::Tensor rows = at::randint(2000, {kBatch}, at::kLong);
  const at::Tensor mean = at::tensor({0.4F, 0.5F, 0.6F}).view({1, 3, 1});
  const at::Tensor deviation = at::tensor({0.2F, 0.25F, 0.3F}).view({1, 3, 1});
  std::vector<float> table;
  for (std::int64_t channel = 0; channel < 3; ++channel) {
    for (int value = 0; value < 256; ++value) {
      table.push_back((static_cast<float>(value) / 255.0F - mean.const_data_ptr<float>()[channel]) /
                      deviation.const_data_ptr<float>()[channel]);
    }
  }
  return {
      bytes ? "gather 64 of 2,000 images of bytes, 3 x 64 x 64" : "gather 64 of 2,000 images of floats, 3 x 64 x 64",
      [=] {
        const at::Tensor batch = at::empty({kBatch, 3, 4096});
        float* to = batch.mutable_data_ptr<float>();
        if (bytes) {
          kernels::gather_bytes(images.const_data_ptr<std::uint8_t>(), rows.const_data_ptr<std::int64_t>(), kBatch, 3,
                                4096, table.data(), to);
        } else {
          kernels::gather_floats(images.const_data_ptr<float>(), rows.const_data_ptr<std::int64_t>(), kBatch, 3, 4096,
                                 mean.const_data_ptr<float>(), deviation.const_data_ptr<float>(), to);
        }
      },
      [=] {
        at::Tensor batch = images.index_select(0, rows);
        if (bytes) batch = batch.to(at::kFloat).div_(255.0);
        batch.sub_(mean).div_(deviation);
      }};
}

void print(const std::vector<Row>& rows, bool json, int threads) {
  const char* separator = "[";
  if (!json) std::printf("%-72s %8s %9s %6s\n", "", "own, ms", "LibTorch", "ratio");
  for (const Row& row : rows) {
    const double own = 1e3 * row.own_cost.wall;
    const double torch = 1e3 * row.torch_cost.wall;
    if (json) {
      std::printf("%s{\"kernel\": \"%s\", \"threads\": %d, \"own_ms\": %.4f, \"libtorch_ms\": %.4f, \"ratio\": %.3f}",
                  separator, row.what.c_str(), threads, own, torch, torch / own);
      separator = ",\n ";
    } else {
      std::printf("%-72s %8.3f %9.3f %6.2f\n", row.what.c_str(), own, torch, torch / own);
    }
  }
  if (json) std::puts("]");
}

}  // namespace

int main(int argc, char** argv) {
  bool json = false;
  int threads = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) {
      json = true;
    } else if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc && std::atoi(argv[i + 1]) > 0) {
      threads = std::atoi(argv[++i]);
    } else {
      std::fputs("Usage: kernel_speed [--json] [--threads N]\n", stderr);
      return 2;
    }
  }
  at::set_num_threads(threads);
  at::manual_seed(1);
  constexpr std::int64_t kParameters = 10'000'000;
  std::vector<Row> rows{
      convolution("convolution of 1 input, 5 x 5, 32 filters, 32 images of 28 x 28", {32, 1, 28, 28}, 32, 5),
      convolution("convolution of 3 inputs, 3 x 3, 32 filters, 32 images of 64 x 64", {32, 3, 64, 64}, 32, 3),
      linear("linear, 3,136 to 512, 32 examples", 32, 3136, 512),
      pool("relu and max pool 2 x 2, 32 images of 32 x 28 x 28", {32, 32, 28, 28}, true),
      pool("max pool 2 x 2, 32 images of 64 x 28 x 28", {32, 64, 28, 28}, false),
      sgd(kParameters),
      adam(kParameters),
      gather(true),
      gather(false)};
  for (std::size_t round = 0; round < kRounds; ++round) {
    for (Row& row : rows) {
      benchmarks::measure_once(row.own_cost, row.own);
      benchmarks::measure_once(row.torch_cost, row.torch);
    }
  }
  print(rows, json, threads);
  return 0;
}
