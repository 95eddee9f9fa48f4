#include "client/session/local_tensors.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <vector>

#include "common/files/temporary_folder.h"
#include "tests/catch.h"

namespace consilium::session {
namespace {

struct LocalBench {
  LocalBench() : folder(files::TemporaryFolder::create("local").value()), local(folder.path() / "local") {
    std::vector<TensorInfo> tensors(3);
    tensors[0] = {"conv.weight", {2}};
    tensors[1] = {"bn.weight", {2}};
    tensors[1].local = true;
    tensors[2] = {"fc.weight", {1}};
    manifest = ParameterManifest::create(std::move(tensors)).value();
  }
  /// Returns what the site computes from a global model of ones before a round.
  std::vector<float> at(std::uint32_t before_round, const crypto::Digest& of) const {
    std::vector<float> model(5, 1.0F);
    const auto put = local.put_into(of, manifest, before_round, model);
    if (!put) FAIL(put.error().message);
    CHECK(*put == (model[2] != 1.0F || model[3] != 1.0F));
    return model;
  }
  void train(std::uint32_t round, float change) {
    const std::vector<float> delta(5, change);
    REQUIRE(local.keep(job, manifest, round, at(round, job), delta));
  }
  [[nodiscard]] std::size_t files() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path() / "local")) ++count;
    return count;
  }

  files::TemporaryFolder folder;
  LocalTensors local;
  ParameterManifest manifest;
  crypto::Digest job = crypto::sha256("job");
};

TEST_CASE("a site goes on with its own tensors, and with nobody else's") {
  LocalBench bench;
  CHECK(bench.at(1, bench.job) == std::vector<float>{1, 1, 1, 1, 1});
  bench.train(1, 0.5F);
  bench.train(3, 0.25F);
  CHECK(bench.at(4, bench.job) == std::vector<float>{1, 1, 1.75, 1.75, 1});
  CHECK(bench.at(kAnyRound, bench.job) == bench.at(4, bench.job));
  CHECK(bench.at(3, bench.job) == std::vector<float>{1, 1, 1.5, 1.5, 1});
  CHECK(bench.at(4, crypto::sha256("another job")) == std::vector<float>{1, 1, 1, 1, 1});
}

TEST_CASE("a round that is trained again begins as it did the first time, and only two rounds stay on the disk") {
  LocalBench bench;
  bench.train(1, 0.5F);
  bench.train(2, 0.25F);
  bench.train(2, 0.125F);
  CHECK(bench.at(3, bench.job) == std::vector<float>{1, 1, 1.625, 1.625, 1});
  for (std::uint32_t round = 3; round < 9; ++round) bench.train(round, 0.0F);
  CHECK(bench.files() == 2);
}

TEST_CASE("damaged values, and values that aren't finite, are refused") {
  LocalBench bench;
  bench.train(1, 0.5F);
  const std::vector<float> model(5, 1.0F), delta(5, std::nanf(""));
  CHECK(bench.local.keep(bench.job, bench.manifest, 2, model, delta).error().code == ErrorCode::kInvalidArgument);
  CHECK(bench.at(3, bench.job) == std::vector<float>{1, 1, 1.5, 1.5, 1});
  const auto file = bench.folder.path() / "local" / (crypto::to_hex(bench.job) + ".1");
  std::vector<float> read(5);
  std::ofstream(file, std::ios::binary) << "short";
  CHECK(bench.local.put_into(bench.job, bench.manifest, 2, read).error().code == ErrorCode::kDataLoss);
  std::ofstream(file, std::ios::binary) << std::string(8, '\xFF');
  CHECK_THAT(bench.local.put_into(bench.job, bench.manifest, 2, read).error().message, Catch::Contains("isn't finite"));
}

}  // namespace
}  // namespace consilium::session
