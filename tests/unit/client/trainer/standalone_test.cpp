#include <array>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "trainer_program.h"

namespace consilium::trainer {
namespace {

using namespace testing;

struct Ran {
  int code = -1;
  std::string output;  ///< standard output and error
};

Ran run(const std::string& arguments) {
  const std::string command = std::string(CONSILIUM_BIN_DIR) + "/consilium-trainer " + arguments + " 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Ran ran;
  std::array<char, 4096> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    ran.output.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

struct Bench {
  Bench() {
    REQUIRE(data::write_npz(folder / "data.npz", small_dataset(40, 12)));
    std::ofstream(folder / "job.yaml")
        << "name: alone\n"
           "model: {layers: [flatten, {linear: 8}, relu, {linear: 2}], input: [1, 4, 4], classes: 2}\n"
           "data: {dataset: here, normalize: {mean: 0.4, std: 0.3}}\n"
           "training: {local_epochs: 20, batch_size: 8, optimizer: {name: sgd, learning_rate: 0.1}}\n"
           "federation: {rounds: 1}\n"
           "strategy: {name: fedavg}\n"
           "privacy: {secure_aggregation: off}\n"
           "seed: 5\n";
  }
  [[nodiscard]] std::string at(const std::string& name) const { return (folder / name).string(); }
  Folder folder;
};

TEST_CASE("a model is trained and evaluated without a federation") {
  Bench bench;
  const Ran trained = run("train " + bench.at("job.yaml") + " --data " + bench.at("data.npz") + " --out " +
                          bench.at("m.safetensors") + " --json");
  CAPTURE(trained.output);
  REQUIRE(trained.code == 0);
  CHECK(nlohmann::json::parse(trained.output).at("epochs") == 20);
  const std::string evaluate =
      "evaluate " + bench.at("job.yaml") + " --model " + bench.at("m.safetensors") + " --data " + bench.at("data.npz");
  const Ran evaluated = run(evaluate + " --split val --json");
  CAPTURE(evaluated.output);
  REQUIRE(evaluated.code == 0);
  const nlohmann::json metrics = nlohmann::json::parse(evaluated.output);
  CHECK(metrics.at("examples") == 12);
  CHECK(metrics.at("accuracy") == 1.0);
  const Ran empty = run(evaluate + " --split test");
  CHECK(empty.code == 2);
  CHECK(empty.output.find("'test' holds no examples") != std::string::npos);
}

TEST_CASE("training goes on from a model, and two runs write the same bytes") {
  Bench bench;
  const std::string train = "train " + bench.at("job.yaml") + " --data " + bench.at("data.npz") + " --epochs 3 --out ";
  REQUIRE(run(train + bench.at("one.safetensors")).code == 0);
  REQUIRE(run(train + bench.at("two.safetensors")).code == 0);
  REQUIRE(run(train + bench.at("more.safetensors") + " --model " + bench.at("one.safetensors")).code == 0);
  const auto bytes = [&](const char* name) {
    std::ifstream file(bench.folder / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  CHECK(bytes("one.safetensors") == bytes("two.safetensors"));
  CHECK(bytes("one.safetensors") != bytes("more.safetensors"));
}

TEST_CASE("wrong usage and input end with 2 and a message that names them") {
  Bench bench;
  const Ran absent =
      run("train " + bench.at("job.yaml") + " --data " + bench.at("absent.npz") + " --out " + bench.at("m"));
  CHECK(absent.code == 2);
  CHECK(absent.output.find("absent.npz") != std::string::npos);
  CHECK(run("train").code == 2);
  CHECK(run("").code == 2);
  CHECK(run("--device quantum --socket-fd 0").code == 2);
  const Ran device = run("train " + bench.at("job.yaml") + " --device cuda:99 --data " + bench.at("data.npz") +
                         " --out " + bench.at("m"));
  CHECK(device.code == 2);
  CHECK(device.output.find("cuda:99") != std::string::npos);
  CHECK(run("--help").output.find("Examples:") != std::string::npos);
}

TEST_CASE("inspect shows what fits a data set") {
  Bench bench;
  const Ran ran = run("inspect --json --data " + bench.at("data.npz"));
  REQUIRE(ran.code == 0);
  const nlohmann::json summary = nlohmann::json::parse(ran.output);
  CHECK(summary.at("input") == nlohmann::json::array({1, 4, 4}));
  CHECK(summary.at("splits").at("train").at("examples") == 40);
}

/// Writes a folder of images with a description, beside a bench's job.
void describe_images(const Bench& bench, const std::string& name, const std::string& loading) {
  const data::Dataset dataset = small_dataset(40, 0);
  write_images(bench.folder, dataset);
  std::ofstream(bench.folder / name)
      << "type: image_folder\npath: images\nsplit: {folders: true}\npreprocess: {normalise: site}\n"
         "augment: {flip: [horizontal], rotate: 10, noise: 0.05}\nloading: "
      << loading << "\n";
}

TEST_CASE("training on images from disk writes the same bytes, whatever threads and cache") {
  Bench bench;
  describe_images(bench, "one.yaml", "{threads: 1, cache: 1GiB}");
  describe_images(bench, "many.yaml", "{threads: 5, cache: 1kB}");
  std::filesystem::create_directories(bench.folder / "a");
  std::filesystem::create_directories(bench.folder / "b");
  std::filesystem::rename(bench.folder / "one.yaml", bench.folder / "a/set.yaml");
  std::filesystem::rename(bench.folder / "many.yaml", bench.folder / "b/set.yaml");
  std::filesystem::create_directory_symlink(bench.folder / "images", bench.folder / "a/images");
  std::filesystem::create_directory_symlink(bench.folder / "images", bench.folder / "b/images");
  for (const std::string folder : {"a", "b"}) {
    const Ran ran = run("train " + bench.at("job.yaml") + " --epochs 3 --data " + bench.at(folder + "/set.yaml") +
                        " --out " + bench.at(folder + ".safetensors"));
    CAPTURE(ran.output);
    REQUIRE(ran.code == 0);
  }
  const auto bytes = [&](const std::string& name) {
    std::ifstream file(bench.folder / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  CHECK(bytes("a.safetensors") == bytes("b.safetensors"));
}

TEST_CASE("inspect counts what a description names, and draws a sheet") {
  Bench bench;
  describe_images(bench, "set.yaml", "{unreadable: 0.1}");
  std::ofstream(bench.folder / "images/train/0/broken.npy") << "broken";
  const Ran ran = run("inspect --json " + bench.at("set.yaml") + " --sheet " + bench.at("sheet.png"));
  CAPTURE(ran.output);
  REQUIRE(ran.code == 0);
  const nlohmann::json found = nlohmann::json::parse(ran.output);
  CHECK(found.at("splits").at("train").at("class_items") == nlohmann::json::array({20, 20}));
  CHECK(found.at("left_out").at(0).at("file") == "train/0/broken.npy");
  CHECK(std::filesystem::file_size(bench.folder / "sheet.png") > 1000);
  describe_images(bench, "strict.yaml", "{unreadable: 0}");
  const Ran strict = run("inspect " + bench.at("strict.yaml"));
  CHECK(strict.code == 2);
  CHECK(strict.output.find("1 of 41 files can't be read") != std::string::npos);
  CHECK(run("inspect").code == 2);
  const Ran misspelt = run("evaluate job.yaml --model m.safetensors --data d.npz --split tst");
  CHECK(misspelt.code == 2);
  CHECK(misspelt.output.find("--split: tst not in {train,val,test}") != std::string::npos);
}

}  // namespace
}  // namespace consilium::trainer
