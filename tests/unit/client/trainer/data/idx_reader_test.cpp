#include <algorithm>

#include "files.h"

using namespace consilium;
using namespace consilium::data;
using namespace consilium::data::testing;

namespace {

constexpr const char* kTrainImages = "train-images-idx3-ubyte";
constexpr const char* kTrainLabels = "train-labels-idx1-ubyte";
constexpr const char* kTestImages = "t10k-images-idx3-ubyte";
constexpr const char* kTestLabels = "t10k-labels-idx1-ubyte";

std::string word(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}
std::string idx_images() { return word(0x803) + word(3) + word(2) + word(2) + pixels(); }
std::string idx_labels() { return word(0x801) + word(3) + std::string("\0\1\2", 3); }

/// Writes the four files uncompressed.
struct Mnist : Folder {
  Mnist() {
    put(kTrainImages, idx_images());
    put(kTrainLabels, idx_labels());
    put(kTestImages, idx_images());
    put(kTestLabels, idx_labels());
  }
  void put(const std::string& name, const std::string& bytes) const { spill(path / name, bytes); }
  [[nodiscard]] Result<Dataset> read(ReadLimits limits = {}) const {
    return read_dataset({.type = "idx", .path = path.string()}, {1, 2, 2}, 3, limits);
  }
};

}  // namespace

TEST_CASE("Fashion-MNIST is read from Debian's folder") {
  const std::filesystem::path folder = "/usr/share/datasets/fashion-mnist";
  if (!std::filesystem::exists(folder)) {
    WARN("skipped: dataset-fashion-mnist isn't installed");
    return;
  }
  const auto fashion = read_dataset({.type = "idx", .path = folder.string()}, {1, 28, 28}, 10);
  REQUIRE(fashion);
  CHECK(fashion->train.size() == 60000);
  CHECK(fashion->val.size() == 0);
  CHECK(fashion->test.size() == 10000);
  for (std::uint16_t label = 0; label < 10; ++label)
    CHECK(std::count(fashion->train.labels.begin(), fashion->train.labels.end(), label) == 6000);
}

TEST_CASE("plain and gzip files read alike, and the plain one is taken where both lie") {
  const Mnist mnist;
  const auto plain = mnist.read();
  REQUIRE(plain);
  CHECK(bytes_of(std::get<std::vector<std::uint8_t>>(plain->train.values)) == pixels());
  CHECK(plain->test.labels == std::vector<std::uint16_t>{0, 1, 2});
  spill(mnist.path / (std::string(kTrainImages) + ".gz"), "broken");
  CHECK(mnist.read());
  std::filesystem::remove(mnist.path / kTrainImages);
  spill_gzip(mnist.path / (std::string(kTrainImages) + ".gz"), idx_images());
  const auto zipped = mnist.read();
  REQUIRE(zipped);
  CHECK(*zipped == *plain);
}

TEST_CASE("an idx file that lies, and one that is missing, are refused by name") {
  const auto images = [](const std::string& bytes, ReadLimits limits = {}) {
    const Mnist mnist;
    mnist.put(kTrainImages, bytes);
    return mnist.read(limits);
  };
  check_refused(images(""), "train-images-idx3-ubyte: is truncated");
  check_refused(images("\x89PNG"), "isn't an idx file");
  check_refused(images(word(0xd03) + word(3) + word(2) + word(2) + pixels()), "idx type 0x0d");
  check_refused(images(word(0x800)), "declares 0 dimensions");
  check_refused(images(word(0x8ff)), "declares 255 dimensions");
  check_refused(images(word(0x803) + word(UINT32_MAX) + word(UINT32_MAX) + word(UINT32_MAX) + pixels()),
                "more than the 4294967296 bytes");
  check_refused(images(word(0x803) + word(1 << 28) + word(2) + word(2) + pixels()),
                "more than a file of its size can hold");
  check_refused(images(word(0x803) + word(4) + word(2) + word(2) + pixels()), "train-images-idx3-ubyte: is truncated");
  check_refused(images(idx_images() + "x"), "holds more bytes than its header declares");
  check_refused(images(idx_images(), ReadLimits{5}), "more than the 5 bytes");
  check_refused(images(word(0x803) + word(2) + word(2) + word(3) + pixels()), "expected a shape of N x [1, 2, 2]");
  check_refused(images(word(0x803) + word(2) + word(2) + word(2) + pixels().substr(4)),
                "expected 2 labels, one for each of train-images");

  const Mnist mnist;
  mnist.put(kTestLabels, word(0x801) + word(3) + std::string("\0\1\3", 3));
  check_refused(mnist.read(), "t10k-labels-idx1-ubyte: label 2 is 3, expected 0 to 2");
  std::filesystem::remove(mnist.path / kTestLabels);
  check_refused(mnist.read(), mnist.path.string() + ": t10k-labels-idx1-ubyte: the file is missing");
  check_refused(read_dataset({.type = "idx", .path = "/nonexistent"}, {1, 2, 2}, 3), "/nonexistent: no such folder");
}

TEST_CASE("a gzip bomb is refused before it is inflated") {
  const Mnist mnist;
  std::filesystem::remove(mnist.path / kTrainImages);
  spill_gzip(mnist.path / (std::string(kTrainImages) + ".gz"),
             word(0x803) + word(1 << 21) + word(2) + word(2) + std::string(8 << 20, '\0'));
  check_refused(mnist.read(ReadLimits{1 << 20}), "train-images-idx3-ubyte: declares a shape of [2097152, 2, 2]");
}

TEST_CASE(
    "truncated idx files are refused at every length, plain and gzip, and a flipped gzip byte never yields other "
    "data") {
  const Mnist mnist;
  const auto good = mnist.read();
  REQUIRE(good);
  for (std::size_t length = 0; length < idx_images().size(); ++length) {
    mnist.put(kTrainImages, idx_images().substr(0, length));
    REQUIRE_FALSE(mnist.read());
  }
  std::filesystem::remove(mnist.path / kTrainImages);
  const auto file = mnist.path / (std::string(kTrainImages) + ".gz");
  spill_gzip(file, idx_images());
  const auto bytes = slurp(file);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    spill(file, bytes.substr(0, length));
    REQUIRE_FALSE(mnist.read());
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto broken = bytes;
    broken[i] = static_cast<char>(broken[i] ^ 0x41);
    spill(file, broken);
    const auto dataset = mnist.read();
    if (dataset) CHECK(*dataset == *good);
  }
}
