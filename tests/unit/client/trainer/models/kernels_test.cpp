#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "client/trainer/models/cpu_kernels.h"
#include "client/trainer/models/kernel_functions.h"
#include "tests/catch.h"

/// Compares the project's own kernels with the same functions in plain at:: operations, in double precision and under
/// autograd.
namespace consilium::trainer {
namespace {

using MaybeTensor = std::optional<at::Tensor>;

/// Returns random numbers that are the same in every run.
at::Tensor draw(at::IntArrayRef shape, std::uint64_t seed) {
  at::manual_seed(seed);
  return at::randn(shape, at::kFloat);
}

at::Tensor in_double(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.detach().to(at::kDouble).set_requires_grad(true) : at::Tensor();
}

/// Relative to the largest of the expected numbers.
void check_same(const at::Tensor& found, const at::Tensor& expected) {
  REQUIRE(found.defined());
  REQUIRE(found.sizes() == expected.sizes());
  const double scale = expected.detach().abs().max().item<double>();
  CHECK((found.detach().to(at::kDouble) - expected.detach()).abs().max().item<double>() <= 1e-5 * scale);
}

/// Returns a parameter whose gradient isn't zero before the kernel writes it.
DirectParameter parameter(const at::Tensor& value) {
  return value.defined() ? DirectParameter{value.set_requires_grad(true), at::full(value.sizes(), 7.0F)}
                         : DirectParameter{};
}

/// Runs backward from the sum of an output times fixed numbers.
void go_back(const at::Tensor& output) {
  const at::AutoGradMode recorded(true);
  const at::Tensor direction = draw(output.sizes(), 99).to(output.scalar_type());
  (output * direction).sum().backward();
}

struct ConvolutionCase {
  std::vector<std::int64_t> input;
  std::int64_t outputs, kernel, stride, padding;
  bool bias;
};

const std::vector<ConvolutionCase> kConvolutions{
    {{1, 1, 5, 7}, 3, 3, 1, 1, true},   {{3, 3, 9, 6}, 4, 3, 2, 1, false},  {{2, 1, 28, 28}, 32, 5, 1, 2, true},
    {{1, 2, 3, 3}, 2, 3, 1, 0, true},   {{4, 5, 1, 8}, 3, 1, 1, 0, false},  {{2, 1, 7, 5}, 2, 3, 3, 2, true},
    {{5, 3, 13, 11}, 7, 2, 2, 0, true}, {{1, 1, 17, 1}, 1, 5, 4, 3, false}, {{7, 2, 6, 19}, 5, 4, 1, 2, true},
};

TEST_CASE("the unfolded convolution and its gradients are conv2d's") {
  at::set_num_threads(1);
  for (const ConvolutionCase& c : kConvolutions) {
    CAPTURE(c.input, c.kernel, c.stride, c.padding, c.bias);
    at::Tensor input = draw(c.input, 1).set_requires_grad(true);
    const DirectParameter weight = parameter(draw({c.outputs, c.input[1], c.kernel, c.kernel}, 2));
    const DirectParameter bias = parameter(c.bias ? draw({c.outputs}, 3) : at::Tensor());
    const at::Tensor output = unfolded_convolution(input, weight, bias, c.stride, c.padding);
    go_back(output);

    const at::Tensor plain_input = in_double(input);
    const at::Tensor plain_weight = in_double(weight.value);
    const at::Tensor plain_bias = in_double(bias.value);
    const at::Tensor expected = at::conv2d(plain_input, plain_weight, plain_bias, c.stride, c.padding);
    go_back(expected);
    check_same(output, expected);
    check_same(input.grad(), plain_input.grad());
    check_same(weight.gradient, plain_weight.grad());
    if (c.bias) check_same(bias.gradient, plain_bias.grad());
    CHECK_FALSE(weight.value.grad().defined());  // the kernel writes it once, and autograd adds nothing
  }
}

TEST_CASE("the unfolded convolution takes inputs and gradients that don't lie in one piece") {
  at::Tensor input = draw({2, 6, 5, 3}, 1).permute({0, 3, 1, 2});
  const DirectParameter weight = parameter(draw({4, 3, 3, 3}, 2));
  const at::Tensor output = unfolded_convolution(input, weight, {}, 1, 1);
  {
    const at::AutoGradMode recorded(true);
    output.sum({2, 3}).select(1, 1).sum().backward();  // a gradient of stride 0
  }
  const at::Tensor plain_weight = in_double(weight.value);
  const at::Tensor expected = at::conv2d(input.to(at::kDouble), plain_weight, {}, 1, 1);
  expected.sum({2, 3}).select(1, 1).sum().backward();
  check_same(output, expected);
  check_same(weight.gradient, plain_weight.grad());
}

TEST_CASE("the direct linear layer and its gradients are linear's") {
  for (const auto& [batch, in, out, with_bias] :
       std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t, bool>>{
           {1, 1, 1, true}, {1, 7, 3, true}, {5, 3, 1, false}, {17, 33, 9, true}, {2, 129, 65, false}}) {
    CAPTURE(batch, in, out, with_bias);
    at::Tensor input = draw({batch, in}, 1).set_requires_grad(true);
    const DirectParameter weight = parameter(draw({out, in}, 2));
    const DirectParameter bias = parameter(with_bias ? draw({out}, 3) : at::Tensor());
    const at::Tensor output = direct_linear(input, weight, bias);
    go_back(output);

    const at::Tensor plain_input = in_double(input);
    const at::Tensor plain_weight = in_double(weight.value);
    const at::Tensor plain_bias = in_double(bias.value);
    at::Tensor expected = plain_input.matmul(plain_weight.t());
    if (with_bias) expected = expected + plain_bias;
    go_back(expected);
    check_same(output, expected);
    check_same(input.grad(), plain_input.grad());
    check_same(weight.gradient, plain_weight.grad());
    if (with_bias) check_same(bias.gradient, plain_bias.grad());
  }
}

struct PoolCase {
  std::vector<std::int64_t> input;
  std::int64_t kernel, stride;
};

const std::vector<PoolCase> kPools{
    {{1, 1, 2, 2}, 2, 2}, {{3, 2, 7, 5}, 2, 2}, {{1, 3, 28, 28}, 2, 2}, {{2, 33, 9, 12}, 3, 2}, {{4, 1, 5, 11}, 3, 1},
    {{1, 2, 8, 7}, 2, 3}, {{5, 3, 3, 3}, 3, 3}, {{2, 2, 6, 1}, 1, 2},   {{1, 20, 13, 3}, 2, 1},
};

void check_pool(const PoolCase& c, const at::Tensor& values, bool rectify) {
  CAPTURE(c.input, c.kernel, c.stride, rectify);
  at::Tensor input = values.clone().set_requires_grad(true);
  const at::Tensor output = max_pool_on_cpu(input, c.kernel, c.stride, rectify);
  go_back(output);
  const at::Tensor plain = in_double(input);
  const at::Tensor expected = at::max_pool2d(rectify ? at::relu(plain) : plain, c.kernel, c.stride);
  go_back(expected);
  CHECK(at::equal(output.detach().to(at::kDouble), expected.detach()));
  check_same(input.grad(), plain.grad());
}

TEST_CASE("the max pool and its gradient are max_pool2d's, with a relu before it or without") {
  for (const PoolCase& c : kPools) {
    for (const bool rectify : {true, false}) {
      check_pool(c, draw(c.input, 1), rectify);
      check_pool(c, draw(c.input, 1) - 2.0, rectify);        // many windows in which relu cuts off values
      check_pool(c, draw(c.input, 1).round(), rectify);      // ties: the first one wins
      check_pool(c, draw(c.input, 1).abs().neg(), rectify);  // all below zero
    }
  }
}

TEST_CASE("the max pool hands on a NaN, as max_pool2d does") {
  for (const std::int64_t kernel : {2, 3}) {
    for (const bool rectify : {true, false}) {
      at::Tensor input = draw({1, 1, 6, 6}, 1);
      input.view({-1})[14] = std::numeric_limits<float>::quiet_NaN();
      const at::Tensor output = max_pool_on_cpu(input, kernel, kernel, rectify);
      const at::Tensor expected = at::max_pool2d(rectify ? at::relu(input) : input, kernel, kernel);
      CHECK(at::equal(output.isnan(), expected.isnan()));
      CHECK(output.isnan().sum().item<std::int64_t>() == 1);
    }
  }
}

TEST_CASE("unfolding an image is im2col") {
  for (const ConvolutionCase& c : kConvolutions) {
    CAPTURE(c.input, c.kernel, c.stride, c.padding);
    const at::Tensor image = draw({c.input[1], c.input[2], c.input[3]}, 1);
    const kernels::Window window{
        .height = c.input[2], .width = c.input[3], .kernel = c.kernel, .stride = c.stride, .padding = c.padding};
    const at::Tensor expected =
        at::im2col(image.unsqueeze(0), {c.kernel, c.kernel}, {1, 1}, {c.padding, c.padding}, {c.stride, c.stride})[0];
    REQUIRE(expected.size(1) == window.output_height() * window.output_width());
    at::Tensor columns = at::full(expected.sizes(), 7.0F);
    kernels::image_to_columns(image.const_data_ptr<float>(), c.input[1], window, columns.mutable_data_ptr<float>());
    CHECK(at::equal(columns, expected));
  }
}

float* floats_or_null(const MaybeTensor& tensor) { return tensor ? tensor->mutable_data_ptr<float>() : nullptr; }

TEST_CASE("a fused SGD step is the formula, with and without momentum, decay and proximal term") {
  for (const std::int64_t size : {1, 7, 64, 1003}) {
    for (const double momentum : {0.0, 0.9}) {
      for (const double mu : {0.0, 0.3}) {
        CAPTURE(size, momentum, mu);
        at::Tensor weights = draw({size}, 1);
        const MaybeTensor anchor = mu == 0.0 ? MaybeTensor() : MaybeTensor(draw({size}, 2));
        const MaybeTensor buffer = momentum == 0.0 ? MaybeTensor() : MaybeTensor(at::zeros({size}));
        at::Tensor plain = weights.to(at::kDouble);
        at::Tensor plain_buffer = at::zeros({size}, at::kDouble);
        const kernels::SgdStep step{.learning_rate = 0.1F,
                                    .momentum = static_cast<float>(momentum),
                                    .weight_decay = 0.01F,
                                    .proximal_mu = static_cast<float>(mu)};
        for (std::uint64_t turn = 0; turn < 3; ++turn) {
          const at::Tensor gradient = draw({size}, 10 + turn);
          kernels::sgd_step(weights.mutable_data_ptr<float>(), gradient.const_data_ptr<float>(), floats_or_null(buffer),
                            floats_or_null(anchor), static_cast<std::size_t>(size), step);
          at::Tensor pulled = gradient.to(at::kDouble) + 0.01 * plain;
          if (anchor) pulled = pulled + mu * (plain - *anchor);
          plain_buffer = momentum * plain_buffer + pulled;
          plain = plain - 0.1 * plain_buffer;
        }
        check_same(weights, plain);
        if (buffer) check_same(*buffer, plain_buffer);
      }
    }
  }
}

TEST_CASE("a fused Adam step is the formula, coupled and decoupled, with and without proximal term") {
  constexpr double kRate = 0.01;
  constexpr double kBeta1 = 0.9;
  constexpr double kBeta2 = 0.999;
  for (const std::int64_t size : {1, 7, 64, 1003}) {
    for (const bool decoupled : {false, true}) {
      for (const double mu : {0.0, 0.3}) {
        CAPTURE(size, decoupled, mu);
        at::Tensor weights = draw({size}, 1);
        const MaybeTensor anchor = mu == 0.0 ? MaybeTensor() : MaybeTensor(draw({size}, 2));
        at::Tensor first = at::zeros({size});
        at::Tensor second = at::zeros({size});
        at::Tensor plain = weights.to(at::kDouble);
        at::Tensor plain_first = at::zeros({size}, at::kDouble);
        at::Tensor plain_second = at::zeros({size}, at::kDouble);
        for (std::uint64_t turn = 1; turn <= 3; ++turn) {
          const at::Tensor gradient = draw({size}, 10 + turn);
          const double correction1 = 1.0 - std::pow(kBeta1, static_cast<double>(turn));
          const double correction2 = 1.0 - std::pow(kBeta2, static_cast<double>(turn));
          const kernels::AdamStep step{.learning_rate = static_cast<float>(kRate),
                                       .fresh1 = static_cast<float>(1.0 - kBeta1),
                                       .beta2 = static_cast<float>(kBeta2),
                                       .fresh2 = static_cast<float>(1.0 - kBeta2),
                                       .epsilon = 1e-8F,
                                       .weight_decay = 0.05F,
                                       .decoupled = decoupled,
                                       .proximal_mu = static_cast<float>(mu),
                                       .step_size = static_cast<float>(kRate / correction1),
                                       .root_bias_correction = static_cast<float>(std::sqrt(correction2))};
          kernels::adam_step(weights.mutable_data_ptr<float>(), gradient.const_data_ptr<float>(),
                             first.mutable_data_ptr<float>(), second.mutable_data_ptr<float>(), floats_or_null(anchor),
                             static_cast<std::size_t>(size), step);
          at::Tensor pulled = gradient.to(at::kDouble);
          if (anchor) pulled = pulled + mu * (plain - *anchor);
          if (!decoupled) pulled = pulled + 0.05 * plain;
          if (decoupled) plain = plain * (1.0 - kRate * 0.05);
          plain_first = kBeta1 * plain_first + (1.0 - kBeta1) * pulled;
          plain_second = kBeta2 * plain_second + (1.0 - kBeta2) * pulled * pulled;
          plain = plain - kRate * (plain_first / correction1) / ((plain_second / correction2).sqrt() + 1e-8);
        }
        check_same(weights, plain);
        check_same(first, plain_first);
        check_same(second, plain_second);
      }
    }
  }
}

TEST_CASE("gathering normalises the rows that are asked for, in their order") {
  const std::vector<std::vector<std::int64_t>> orders{{3}, {4, 0, 4, 1}, {0, 1, 2, 3, 4}};
  for (const auto& [channels, plane] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {3, 7}, {1, 784}, {2, 33}}) {
    const at::Tensor mean = draw({1, channels, 1}, 1);
    const at::Tensor deviation = draw({1, channels, 1}, 2).abs() + 0.5;
    const at::Tensor images = draw({5, channels, plane}, 3);
    at::manual_seed(4);
    const at::Tensor bytes = at::randint(0, 256, {5, channels, plane}, at::kByte);
    const at::Tensor shades = at::arange(256, at::kFloat).view({1, 1, 256});
    const at::Tensor table = ((shades / 255.0 - mean) / deviation).contiguous();
    for (const std::vector<std::int64_t>& rows : orders) {
      CAPTURE(channels, plane, rows.size());
      const auto count = static_cast<std::int64_t>(rows.size());
      const at::Tensor index = at::tensor(rows, at::kLong);
      at::Tensor found = at::full({count, channels, plane}, 7.0F);
      kernels::gather_floats(images.const_data_ptr<float>(), rows.data(), count, channels, plane,
                             mean.const_data_ptr<float>(), deviation.const_data_ptr<float>(),
                             found.mutable_data_ptr<float>());
      CHECK(at::equal(found, (images.index_select(0, index) - mean) / deviation));
      found.fill_(7.0F);
      kernels::gather_bytes(bytes.const_data_ptr<std::uint8_t>(), rows.data(), count, channels, plane,
                            table.const_data_ptr<float>(), found.mutable_data_ptr<float>());
      CHECK(at::equal(found, (bytes.index_select(0, index).to(at::kFloat) / 255.0 - mean) / deviation));
    }
  }
}

}  // namespace
}  // namespace consilium::trainer
