#include "client/trainer/device.h"

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

}  // namespace
}  // namespace consilium::trainer
