#include "common/parameters/parameter_manifest.h"

#include "tests/catch.h"

using consilium::ErrorCode;
using consilium::ParameterManifest;
using consilium::TensorInfo;
using consilium::TensorRole;
using consilium::TensorRun;

namespace {

TensorInfo tensor(std::string name, std::vector<std::int64_t> shape, TensorRole role = TensorRole::kTrainable) {
  return TensorInfo{std::move(name), std::move(shape), role, 0, 0};
}

void check_refused(std::vector<TensorInfo> tensors, const std::string& part) {
  const auto manifest = ParameterManifest::create(std::move(tensors));
  REQUIRE_FALSE(manifest);
  CHECK(manifest.error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(manifest.error().message, Catch::Contains(part));
}

}  // namespace

TEST_CASE("tensors are laid out one after the other, whatever offsets they came with") {
  auto stale = tensor("fc.bias", {3});
  stale.offset = 99;
  stale.size = 99;
  const auto manifest = ParameterManifest::create({tensor("fc.weight", {3, 4}), stale, tensor("scale", {})});
  REQUIRE(manifest);
  CHECK(manifest->parameter_count() == 16);
  CHECK(manifest->tensors()[1].offset == 12);
  CHECK(manifest->tensors()[1].size == 3);
  CHECK(manifest->tensors()[2].size == 1);
  CHECK(manifest->tensor_at(0).name == "fc.weight");
  CHECK(manifest->tensor_at(11).name == "fc.weight");
  CHECK(manifest->tensor_at(12).name == "fc.bias");
  CHECK(manifest->tensor_at(15).name == "scale");
}

TEST_CASE("the digest is that of the documented bytes") {
  // hashlib.sha256 over the encoding of docs/formats/manifest.md, written in Python.
  const auto manifest =
      ParameterManifest::create({tensor("fc.weight", {3, 4}), tensor("bn.running_mean", {3}, TensorRole::kBuffer)});
  REQUIRE(manifest);
  CHECK(consilium::crypto::to_hex(manifest->digest()) ==
        "1cd4dae0df4043a8a285275bbf8b00f26324ffba14712a2e29ddae21e7678581");
}

TEST_CASE("name, role, shape and order all change the digest") {
  const auto digest = [](std::vector<TensorInfo> tensors) {
    return ParameterManifest::create(std::move(tensors))->digest();
  };
  const auto base = digest({tensor("a", {2, 3}), tensor("b", {6})});
  CHECK(base == digest({tensor("a", {2, 3}), tensor("b", {6})}));
  CHECK(base != digest({tensor("c", {2, 3}), tensor("b", {6})}));
  CHECK(base != digest({tensor("a", {3, 2}), tensor("b", {6})}));
  CHECK(base != digest({tensor("a", {2, 3}, TensorRole::kBuffer), tensor("b", {6})}));
  CHECK(base != digest({tensor("b", {6}), tensor("a", {2, 3})}));
  auto frozen = tensor("a", {2, 3});
  frozen.frozen = true;
  CHECK(base != digest({frozen, tensor("b", {6})}));
  auto local = tensor("a", {2, 3});
  local.local = true;
  CHECK(base != digest({local, tensor("b", {6})}));
  CHECK(digest({frozen, tensor("b", {6})}) != digest({local, tensor("b", {6})}));
  CHECK(base != digest({tensor("a", {2, 3})}));
}

TEST_CASE("an update holds the runs of tensors of one role, less what is frozen") {
  auto frozen = tensor("conv2.weight", {5});
  frozen.frozen = true;
  auto frozen_mean = tensor("bn2.running_mean", {2}, TensorRole::kBuffer);
  frozen_mean.frozen = true;
  const std::vector<TensorInfo> tensors{tensor("conv1.weight", {2, 3}),
                                        tensor("bn1.weight", {2}),
                                        tensor("bn1.running_mean", {2}, TensorRole::kBuffer),
                                        frozen_mean,
                                        frozen,
                                        tensor("fc.weight", {4})};
  const auto manifest = ParameterManifest::create(tensors);
  REQUIRE(manifest);
  CHECK(manifest->update_runs() == std::vector<TensorRun>{{0, 8, TensorRole::kTrainable},
                                                          {8, 2, TensorRole::kBuffer},
                                                          {17, 4, TensorRole::kTrainable}});
  CHECK(manifest->update_size() == 14);
  CHECK(manifest->parameter_count() == 21);
  // A frozen tensor between two tensors of one role splits their run.
  const auto parted = ParameterManifest::create({tensor("a", {1}), frozen, tensor("b", {1})});
  CHECK(parted->update_runs().size() == 2);
  CHECK(ParameterManifest::create({tensor("a", {1}), tensor("b", {2})})->update_runs().size() == 1);
}

TEST_CASE("what is each site's own is in no update, and has runs of its own") {
  auto weight = tensor("bn.weight", {2}), bias = tensor("bn.bias", {2});
  auto mean = tensor("bn.running_mean", {2}, TensorRole::kBuffer);
  weight.local = bias.local = mean.local = true;
  const auto manifest =
      ParameterManifest::create({tensor("conv.weight", {3}), weight, bias, mean, tensor("fc.weight", {4})});
  REQUIRE(manifest);
  CHECK(manifest->update_runs() ==
        std::vector<TensorRun>{{0, 3, TensorRole::kTrainable}, {9, 4, TensorRole::kTrainable}});
  CHECK(manifest->local_runs() == std::vector<TensorRun>{{3, 4, TensorRole::kTrainable}, {7, 2, TensorRole::kBuffer}});
  CHECK(manifest->update_size() == 7);
  CHECK(manifest->local_size() == 6);
  weight.frozen = true;
  check_refused({weight}, "both frozen and local");
}

TEST_CASE("a manifest with bad names, bad dimensions or too many parameters is refused") {
  check_refused({tensor("", {1})}, "empty name");
  check_refused({tensor("a", {1}), tensor("a", {2})}, "named 'a'");
  check_refused({tensor("a\n", {1})}, "printable");
  check_refused({tensor("__metadata__", {1})}, "safetensors");
  check_refused({tensor(std::string(300, 'a'), {1})}, "300 bytes");
  check_refused({tensor("a", {3, 0})}, "dimension of 0");
  check_refused({tensor("a", {-1})}, "dimension of -1");
  check_refused({tensor("a", {1, 1, 1, 1, 1, 1, 1, 1, 1})}, "9 dimensions");
  check_refused({tensor("a", {INT64_MAX, INT64_MAX})}, "'a' has more than");
  check_refused({tensor("a", {std::int64_t{1} << 30}), tensor("b", {(std::int64_t{1} << 30) + 1})}, "up to tensor 'b'");
}
