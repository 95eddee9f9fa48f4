#include "client/trainer/device.h"

#include <ATen/Parallel.h>
#include <spdlog/fmt/fmt.h>
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "client/trainer/models/torch_errors.h"

namespace consilium::trainer {
namespace {

/// Returns true if a GPU can be expected; the file belongs to NVIDIA's driver.
bool has_driver() { return access("/dev/nvidiactl", F_OK) == 0; }

Result<at::Device> find_device(std::string_view name) {
  const std::size_t devices = at::getNumGPUs();
  if (name == "auto" && devices == 0 && has_driver()) {
    fmt::print(stderr,
               "consilium-trainer: computes on the CPU, although this machine has NVIDIA's driver, because LibTorch {} "
               "sees no GPU; choose the device 'cuda:0' to make this an error\n",
               TORCH_VERSION);
  }
  if (name == "cpu" || (name == "auto" && devices == 0)) {
    return at::Device(at::kCPU);
  }
  constexpr std::string_view kPrefix = "cuda:";
  unsigned index = 0;
  if (name != "auto") {
    const std::string_view digits = name.substr(std::min(name.size(), kPrefix.size()));
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (!name.starts_with(kPrefix) || error != std::errc() || end != digits.data() + digits.size() || digits.empty()) {
      return fail(ErrorCode::kInvalidArgument, fmt::format("device: expected auto, cpu or cuda:N, found '{}'", name));
    }
  }
  if (index >= devices || index > 127) {
    return fail(ErrorCode::kNotFound,
                fmt::format("device: '{}' doesn't exist; LibTorch sees {} CUDA devices", name, devices));
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

void set_up_cpu(unsigned threads) {
  at::set_num_threads(static_cast<int>(threads));
  at::set_num_interop_threads(1);
  at::globalContext().setFlushDenormal(true);
}

/// Turns TF32 off. It keeps only 10 bits of each factor's fraction, so a GPU's results would differ from a CPU's in the
/// third digit. cuDNN turns it on by default.
void keep_float32_whole() {
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
}

void set_up_cuda(const at::Device& device) {
  at::globalContext().setDeterministicCuDNN(true);
  at::globalContext().setBenchmarkCuDNN(false);
  // Only warns: LibTorch lists some kernels as nondeterministic for shapes that this trainer never gives them.
  at::globalContext().setDeterministicAlgorithms(true, true);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  const at::Tensor warm = at::ones({8, 8}, at::TensorOptions().device(device));
  (void)at::mm(warm, warm).sum().item<float>();  // context and cuBLAS, while every system call is allowed
}

}  // namespace

Result<at::Device> set_up_device(std::string_view name, unsigned threads) {
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);  // cuBLAS requires it for deterministic results
  return without_exceptions("device", [&]() -> Result<at::Device> {
    set_up_cpu(std::max(1U, threads));
    keep_float32_whole();
    CONSILIUM_ASSIGN(const at::Device device, find_device(name));
    if (device.is_cuda()) {
      set_up_cuda(device);
    }
    return device;
  });
}

std::string precision_of(const at::Device& device) {
  const bool tf32 = at::globalContext().allowTF32CuBLAS() || at::globalContext().allowTF32CuDNN();
  return fmt::format("computes on {} in float32, TF32 is {}", device.str(), tf32 ? "on" : "off");
}

std::string software_name() { return "consilium-trainer " CONSILIUM_VERSION ", LibTorch " TORCH_VERSION; }

}  // namespace consilium::trainer
