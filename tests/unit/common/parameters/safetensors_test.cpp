#include "common/parameters/safetensors.h"

#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>

#include "tests/catch.h"

using namespace consilium;
namespace fs = std::filesystem;

namespace {

/// A folder that the destructor removes.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("consilium_safetensors_" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

ParameterManifest manifest() {
  return *ParameterManifest::create({{"bn.weight", {2}, TensorRole::kTrainable, 0, 0},
                                     {"bn.running_mean", {2}, TensorRole::kBuffer, 0, 0},
                                     {"fc.weight", {2, 3}, TensorRole::kTrainable, 0, 0}});
}

ParameterVector values() { return {1, 2, 3, 4, 5, 6, 7, -0.0F, 0x1p-149F, 3.4e38F}; }

std::string slurp(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void spill(const fs::path& file, const std::string& bytes) { std::ofstream(file, std::ios::binary) << bytes; }

/// Returns a file from a header and its data, with the matching length.
std::string assemble(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

std::string floats(std::vector<float> numbers) {
  std::string bytes(numbers.size() * 4, '\0');
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

}  // namespace

TEST_CASE("a written model reads back bit for bit and leaves no temporary file") {
  const Folder folder;
  const auto file = folder.path / "model.safetensors";
  REQUIRE(write_safetensors(file, manifest(), values(), {{"job", "chest \"x\""}, {"bad", "\xff"}}));
  const auto read = read_safetensors(file, manifest());
  REQUIRE(read);
  CHECK(std::memcmp(read->data(), values().data(), values().size() * 4) == 0);
  CHECK(std::distance(fs::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("the file is aligned, in manifest order, and has a step counter beside each running mean") {
  const Folder folder;
  const auto file = folder.path / "model.safetensors";
  REQUIRE(write_safetensors(file, manifest(), values(), {{"job", "chest"}}));
  const auto bytes = slurp(file);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK(length % 8 == 0);
  CHECK(bytes.size() == 8 + length + 8 + 40);
  const auto header = bytes.substr(8, length);
  CHECK_THAT(header, Catch::StartsWith(
                         R"({"__metadata__":{"job":"chest"},"bn.num_batches_tracked":{"dtype":"I64","shape":[],)"
                         R"("data_offsets":[0,8]},"bn.weight":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"));
  CHECK(bytes.substr(8 + length, 8) == std::string(8, '\0'));
}

TEST_CASE("an existing file is replaced whole, and survives a failed write") {
  const Folder folder;
  const auto file = folder.path / "model.safetensors";
  spill(file, "old");
  const auto refused = write_safetensors(file, manifest(), std::vector<float>(3), {});
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("expected 10 parameters to write, found 3"));
  CHECK(slurp(file) == "old");
  REQUIRE(write_safetensors(file, manifest(), values(), {}));
  CHECK(read_safetensors(file, manifest()));
  const auto nowhere = write_safetensors(folder.path / "no" / "model.safetensors", manifest(), values(), {});
  REQUIRE_FALSE(nowhere);
  CHECK_THAT(nowhere.error().message, Catch::Contains("cannot create"));
}

TEST_CASE("tensors may lie in any order in a file from elsewhere") {
  const Folder folder;
  const auto file = folder.path / "x.safetensors";
  const auto small =
      *ParameterManifest::create({{"a", {1}, TensorRole::kTrainable, 0, 0}, {"b", {2}, TensorRole::kTrainable, 0, 0}});
  spill(
      file,
      assemble(
          R"({"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
          floats({1, 2, 3})));
  const auto read = read_safetensors(file, small);
  REQUIRE(read);
  CHECK(*read == ParameterVector{3, 1, 2});
}

TEST_CASE("a hostile safetensors file is refused with its file and tensor named") {
  const Folder folder;
  const auto file = folder.path / "x.safetensors";
  const auto small = *ParameterManifest::create({{"a", {2}, TensorRole::kTrainable, 0, 0}});
  const auto good = floats({1, 2});
  struct Case {
    std::string bytes;
    std::string part;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const std::string a = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  const std::vector<Case> cases{
      {"", "too few"},
      {"1234567", "too few"},
      {std::string(8, '\xff'), "declares a header"},
      {std::string(7, '\0') + '\1', "declares a header"},
      {assemble("", good), "isn't valid JSON"},
      {assemble("[]", good), "isn't a JSON object"},
      {assemble("null", good), "isn't a JSON object"},
      {assemble("{}", ""), "tensor 'a' of shape [2] is missing"},
      {assemble("{}", good), "declares 0 bytes of data, the file holds 8"},
      {assemble(a, good), "isn't valid JSON"},
      {assemble(a + "}", good + "x"), "declares 8 bytes of data, the file holds 9"},
      {assemble(a + "}", good.substr(1)), "declares 8 bytes of data, the file holds 7"},
      {assemble(a + R"(,"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", good), "names 'a' twice"},
      {assemble(a + R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", good), "overlap"},
      {assemble(a + R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", good + good), "overlap"},
      {assemble(a + R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]}})", good + good + good), "hole"},
      {assemble(a + R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", good + good),
       "'b' (F32) doesn't belong"},
      {assemble(a + R"(,"num_batches_tracked":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", good + good),
       "doesn't belong"},
      {assemble(R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,8]}})", good), "expected dtype F32, found 'F16'"},
      {assemble(R"({"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}})", good), "dtype: expected a string"},
      {assemble(R"({"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})", good),
       "expected shape [2], found [1, 2]"},
      {assemble(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", good), "shape: expected whole numbers"},
      {assemble(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", good), "shape: expected whole numbers"},
      {assemble(R"({"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})", good), "shape: expected an array"},
      {assemble(R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", good), "nested too deeply"},
      {assemble(R"({"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}})", good),
       "shape: expected whole"},
      {assemble(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", good), "the end lies before"},
      {assemble(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", good),
       "data_offsets: expected an array of two"},
      {assemble(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}})", good),
       "data_offsets: expected whole"},
      {assemble(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", good.substr(4)), "expected 8 bytes"},
      {assemble(R"({"a":{"dtype":"F32","shape":[2]}})", good), "expected exactly"},
      {assemble(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"extra":1}})", good), "expected exactly"},
      {assemble(R"({"a":5})", good), "expected exactly"},
      {assemble(std::string(200000, '['), good), "nested too deeply"},
      {assemble(a + "}", floats({1, nan})), "tensor 'a': element 1 is nan"},
      {assemble(a + "}", floats({infinity, 1})), "tensor 'a': element 0 is inf"},
  };
  for (const auto& [bytes, part] : cases) {
    spill(file, bytes);
    const auto read = read_safetensors(file, small);
    CAPTURE(part);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ErrorCode::kInvalidArgument);
    CHECK_THAT(read.error().message, Catch::Contains(part) && Catch::StartsWith(file.string()));
  }
}

TEST_CASE(
    "a truncated safetensors file is refused at every length, and a changed header byte never yields another model") {
  const Folder folder;
  const auto file = folder.path / "x.safetensors";
  REQUIRE(write_safetensors(file, manifest(), values(), {}));
  const auto good = slurp(file);
  for (std::size_t length = 0; length < good.size(); ++length) {
    spill(file, good.substr(0, length));
    REQUIRE_FALSE(read_safetensors(file, manifest()));
  }
  std::uint64_t header = 0;
  std::memcpy(&header, good.data(), 8);
  for (std::size_t i = 0; i < 8 + header; ++i) {
    auto bytes = good;
    bytes[i] = static_cast<char>(bytes[i] ^ 0x15);
    spill(file, bytes);
    const auto read = read_safetensors(file, manifest());
    if (read) CHECK(*read == values());
  }
}

TEST_CASE("a missing file and a folder are named") {
  const auto missing = read_safetensors("/nonexistent/model.safetensors", manifest());
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK_THAT(missing.error().message, Catch::Contains("/nonexistent/model.safetensors"));
  const auto folder = read_safetensors("/tmp", manifest());
  REQUIRE_FALSE(folder);
  CHECK_THAT(folder.error().message, Catch::Contains("isn't a regular file"));
}
