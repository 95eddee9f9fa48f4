#include "client/trainer/models/torch_errors.h"

#include <ATen/ATen.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <new>
#include <string>

namespace consilium::trainer {
namespace {

constexpr std::size_t kLongestReason = 300;

std::string first_line(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  return std::string(line.substr(0, kLongestReason));
}

/// Parts of the messages of LibTorch, cuBLAS and cuDNN when memory runs out. LibTorch asks NVML which processes use a
/// GPU only when the GPU's memory has run out; if that fails, its message is about NVML instead.
constexpr std::array kMemorySigns{"can't allocate memory", "out of memory", "not enough memory", "_ALLOC_FAILED",
                                  "NVML_SUCCESS =="};

bool tells_of_memory(std::string_view text) {
  return std::ranges::any_of(kMemorySigns,
                             [&](std::string_view sign) { return text.find(sign) != std::string_view::npos; });
}

Error out_of_memory(std::string_view doing, std::string_view reason) {
  return {ErrorCode::kResourceExhausted,
          fmt::format("{}: out of memory ({}); a smaller training.batch_size or a machine with more memory helps",
                      doing, reason)};
}

}  // namespace

Error error_of_exception(std::string_view doing) {
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    return out_of_memory(doing, first_line(error.what_without_backtrace()));
  } catch (const std::bad_alloc&) {
    return out_of_memory(doing, "the system has no more memory");
  } catch (const c10::Error& error) {
    const std::string reason = first_line(error.what_without_backtrace());
    if (tells_of_memory(error.what_without_backtrace())) {
      return out_of_memory(doing, reason);
    }
    return {ErrorCode::kInternal, fmt::format("{}: LibTorch says: {}", doing, reason)};
  } catch (const std::exception& error) {
    return {ErrorCode::kInternal, fmt::format("{}: {}", doing, first_line(error.what()))};
  }
}

}  // namespace consilium::trainer
