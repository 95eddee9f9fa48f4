#include "common/model/starting_weights.h"

#include <unistd.h>

#include <limits>

#include "common/model/model_parameters.h"
#include "common/parameters/safetensors.h"
#include "tests/catch.h"

using namespace consilium;
using namespace consilium::model;

namespace {

/// A file that the destructor removes.
struct WeightsFile {
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               ("consilium-starting-weights-" + std::to_string(::getpid()) + ".safetensors");
  ~WeightsFile() { std::filesystem::remove(path); }

  /// Writes weights of a model with another start. Returns them.
  ParameterVector write(const ModelSpec& spec, std::uint64_t seed = 99) const {
    const ParameterVector weights = initial_weights(spec, seed).value();
    REQUIRE(write_safetensors(path, build_manifest(spec).value(), weights, {}));
    return weights;
  }
  [[nodiscard]] std::string refusal(const ModelSpec& spec, const std::vector<std::string>& replaced = {}) const {
    const auto read = read_starting_weights(path, spec, replaced, 7);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ErrorCode::kInvalidArgument);
    CHECK_THAT(read.error().message, Catch::StartsWith(path.string() + ": "));
    return read.error().message;
  }
};

ModelSpec classifier(std::int64_t channels, std::int64_t classes) {
  ModelSpec spec;
  spec.layers = {Conv{.out_channels = 4, .kernel = {3}}, BatchNorm{}, Relu{}, Linear{.out_features = classes}};
  spec.input = {channels, 8, 8};
  spec.classes = classes;
  return spec;
}

std::vector<float> tensor_of(const ModelSpec& spec, const ParameterVector& weights, const std::string& name) {
  const ParameterManifest manifest = build_manifest(spec).value();
  for (const TensorInfo& tensor : manifest.tensors()) {
    if (tensor.name != name) continue;
    const auto begin = weights.begin() + static_cast<std::ptrdiff_t>(tensor.offset);
    return {begin, begin + static_cast<std::ptrdiff_t>(tensor.size)};
  }
  FAIL("no tensor " << name);
  return {};
}

}  // namespace

TEST_CASE("a file that fits whole gives its weights bit for bit") {
  const WeightsFile file;
  const ModelSpec spec = classifier(3, 5);
  const ParameterVector weights = file.write(spec);
  const auto read = read_starting_weights(file.path, spec, {}, 7);
  if (!read) FAIL(read.error().message);
  CHECK(read->parameters == weights);
  CHECK(read->taken == 8);
  CHECK((read->adapted.empty() && read->drawn.empty() && read->unused.empty()));
  CHECK(in_words(*read, file.path) == "8 tensors from " + file.path.filename().string());
}

TEST_CASE("a replaced head begins from the seed, whatever the file has for it, and the rest from the file") {
  const WeightsFile file;
  const ParameterVector weights = file.write(classifier(3, 5));
  const ModelSpec spec = classifier(3, 2);
  const std::vector<std::string> replaced{"3"};
  const auto read = read_starting_weights(file.path, spec, replaced, 7);
  if (!read) FAIL(read.error().message);
  for (const char* name : {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"})
    CHECK(tensor_of(spec, read->parameters, name) == tensor_of(classifier(3, 5), weights, name));
  const ParameterVector drawn = initial_weights(spec, 7).value();
  for (const char* name : {"3.weight", "3.bias"})
    CHECK(tensor_of(spec, read->parameters, name) == tensor_of(spec, drawn, name));
  CHECK(read->drawn == std::vector<std::string>{"3.weight", "3.bias"});
  CHECK(read->unused == std::vector<std::string>{"3.bias", "3.weight"});
  CHECK(read->taken == 6);
  // A head of the same shape is replaced as well.
  const auto same = read_starting_weights(file.path, classifier(3, 5), replaced, 7);
  REQUIRE(same);
  CHECK(tensor_of(classifier(3, 5), same->parameters, "3.bias") ==
        tensor_of(classifier(3, 5), initial_weights(classifier(3, 5), 7).value(), "3.bias"));
}

TEST_CASE("the first convolution's three channels are summed for grey images") {
  const WeightsFile file;
  const ParameterVector weights = file.write(classifier(3, 2));
  const ModelSpec spec = classifier(1, 2);
  const auto read = read_starting_weights(file.path, spec, {}, 7);
  if (!read) FAIL(read.error().message);
  CHECK(read->adapted == std::vector<std::string>{"0.weight"});
  CHECK(read->taken == 7);
  const std::vector<float> colour = tensor_of(classifier(3, 2), weights, "0.weight");  // [4, 3, 3, 3]
  const std::vector<float> grey = tensor_of(spec, read->parameters, "0.weight");       // [4, 1, 3, 3]
  REQUIRE(grey.size() == 4 * 9);
  for (std::size_t out = 0; out < 4; ++out) {
    for (std::size_t i = 0; i < 9; ++i) {
      const float* window = colour.data() + out * 27 + i;
      CHECK(grey[out * 9 + i] == (window[0] + window[9]) + window[18]);
    }
  }
  CHECK_THAT(in_words(*read, file.path), Catch::EndsWith("; 0.weight from it, summed over its 3 input channels"));
}

TEST_CASE("a prefix that a wrapper has put before every name is named, and what to do about it") {
  const WeightsFile file;
  const ModelSpec spec = classifier(3, 5);
  const ParameterManifest plain = build_manifest(spec).value();
  std::vector<TensorInfo> tensors = plain.tensors();
  for (TensorInfo& tensor : tensors) tensor.name = "module." + tensor.name;
  const auto wrapped = ParameterManifest::create(tensors).value();
  REQUIRE(write_safetensors(file.path, wrapped, initial_weights(spec, 99).value(), {}));
  CHECK_THAT(file.refusal(spec), Catch::Contains("begin with 'module.', which the model's names don't"));
  CHECK_THAT(file.refusal(classifier(3, 2), {"3"}), Catch::Contains("begin with 'module.'"));
}

TEST_CASE("what is missing, surplus or of another shape is said in one error, with what to write") {
  const WeightsFile file;
  file.write(classifier(3, 5));
  CHECK_THAT(
      file.refusal(classifier(3, 2)),
      Catch::Contains("doesn't fit the model: 3.weight has [5, 144], expected [2, 144], 3.bias has [5], expected "
                      "[2]; name in initial_weights.replace the layers"));
  // Two channels are not colours, and only the first convolution sees the image.
  CHECK_THAT(file.refusal(classifier(2, 5)), Catch::Contains("0.weight has [4, 3, 3, 3], expected [4, 2, 3, 3]"));
  ModelSpec deep = classifier(3, 5);
  deep.layers.insert(deep.layers.begin() + 3, Conv{.out_channels = 4, .kernel = {3}});
  const std::string problems = file.refusal(deep);
  CHECK_THAT(problems, Catch::Contains("it lacks 4.weight, 4.bias;"));
  CHECK_THAT(problems, Catch::Contains("3.weight has [5, 144], expected [4, 4, 3, 3]"));
  ModelSpec narrow = classifier(1, 5);
  narrow.layers = {Conv{.out_channels = 1, .kernel = {3}}, Conv{.out_channels = 4, .kernel = {3}},
                   Linear{.out_features = 5}};
  ModelSpec wide = narrow;
  std::get<Conv>(wide.layers[0].operation).out_channels = 3;
  file.write(wide);
  CHECK_THAT(file.refusal(narrow, {"0"}), Catch::Contains("1.weight has [4, 3, 3, 3], expected [4, 1, 3, 3]"));
  ModelSpec shallow = wide;
  shallow.layers.pop_back();
  shallow.outputs = {"1"};
  CHECK_THAT(file.refusal(shallow), Catch::Contains("the model has no 2.bias, 2.weight;"));
}

TEST_CASE("a tensor that is no number, or becomes none when its channels are summed, is refused by name") {
  const WeightsFile file;
  const ModelSpec colour = classifier(3, 2);
  const ParameterManifest manifest = build_manifest(colour).value();
  ParameterVector weights = initial_weights(colour, 1).value();
  weights[0] = std::numeric_limits<float>::quiet_NaN();
  REQUIRE(write_safetensors(file.path, manifest, weights, {}));
  CHECK_THAT(file.refusal(colour), Catch::Contains("tensor '0.weight': element 0 is nan"));
  CHECK_THAT(file.refusal(classifier(1, 2)), Catch::Contains("tensor '0.weight': element 0 is nan"));
  weights[0] = weights[9] = std::numeric_limits<float>::max();
  REQUIRE(write_safetensors(file.path, manifest, weights, {}));
  CHECK(read_starting_weights(file.path, colour, {}, 7));
  CHECK_THAT(file.refusal(classifier(1, 2)), Catch::Contains("0.weight is too large to be summed over its channels"));
  CHECK(read_starting_weights("/nonexistent/w.safetensors", colour, {}, 7).error().code == ErrorCode::kNotFound);
}
