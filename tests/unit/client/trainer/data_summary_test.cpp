#include "client/trainer/data_summary.h"

#include <fstream>

#include "client/trainer/data/readers.h"
#include "trainer_program.h"

namespace consilium::trainer {
namespace {

using namespace testing;

TEST_CASE("a data set's shape, classes and counts are read without a model") {
  Folder folder;
  REQUIRE(data::write_npz(folder / "data.npz", small_dataset(41, 10)));
  const DataSummary summary = value_of(summarise(data::source_at((folder / "data.npz").string())));
  CHECK(summary.input == std::vector<std::int64_t>{1, 4, 4});
  CHECK(summary.classes == 2);
  CHECK(summary.bytes);
  REQUIRE(summary.splits.size() == 3);
  CHECK(summary.splits[0].class_examples == std::vector<std::uint64_t>{21, 20});
  CHECK(summary.splits[1].examples == 10);
  CHECK(summary.splits[2].class_examples == std::vector<std::uint64_t>{0, 0});
}

TEST_CASE("an idx folder is told from an npz file, and its images' size is read from their header") {
  Folder folder;
  const auto write = [&](const std::string& name, const std::string& bytes) {
    std::ofstream(folder / name, std::ios::binary) << bytes;
  };
  using namespace std::string_literals;
  for (const std::string prefix : {"train", "t10k"}) {
    write(prefix + "-images-idx3-ubyte", "\0\0\x08\x03\0\0\0\x02\0\0\0\x03\0\0\0\x02"s + std::string(12, 'x'));
    write(prefix + "-labels-idx1-ubyte", "\0\0\x08\x01\0\0\0\x02\x00\x04"s);
  }
  const DataSummary summary = value_of(summarise(data::source_at((folder / "").string())));
  CHECK(summary.input == std::vector<std::int64_t>{1, 3, 2});
  CHECK(summary.classes == 5);
}

TEST_CASE("what is no data set is refused with its name") {
  Folder folder;
  std::ofstream(folder / "text.npz") << "no zip";
  const auto summary = summarise(data::source_at((folder / "text.npz").string()));
  REQUIRE_FALSE(summary);
  CHECK(summary.error().message.find("text.npz") != std::string::npos);
}

}  // namespace
}  // namespace consilium::trainer
