#include "client/trainer/device.h"

#include <dlfcn.h>

#include <filesystem>

#include "trainer_program.h"

namespace consilium::trainer {
namespace {

TEST_CASE("float32 stays whole: TF32 is off on every device, and the log line says so") {
  at::globalContext().setAllowTF32CuBLAS(true);
  REQUIRE(precision_of(at::Device(at::kCUDA, 1)) == "computes on cuda:1 in float32, TF32 is on");
  const at::Device device = testing::value_of(set_up_device("cpu", 1));
  CHECK_FALSE(at::globalContext().allowTF32CuBLAS());
  CHECK_FALSE(at::globalContext().allowTF32CuDNN());
  CHECK(precision_of(device) == "computes on cpu in float32, TF32 is off");
}

TEST_CASE("std::filesystem is the system's, not the one that LibTorch exports") {
  std::uintmax_t (*const remove_all)(const std::filesystem::path&) = &std::filesystem::remove_all;
  Dl_info found{};
  REQUIRE(dladdr(reinterpret_cast<const void*>(remove_all), &found) != 0);
  CHECK(std::string(found.dli_fname).find("libstdc++") != std::string::npos);
}

}  // namespace
}  // namespace consilium::trainer
