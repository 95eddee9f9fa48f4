#include "client/trainer/data/npz_writer.h"

#include "files.h"

using namespace consilium;
using namespace consilium::data;
using namespace consilium::data::testing;

namespace {

template <class T>
Dataset counting(std::vector<std::int64_t> shape, std::int64_t classes) {
  Dataset dataset{std::move(shape), classes, {}, {}, {}};
  std::size_t examples = 5;
  for (Split* split : {&dataset.train, &dataset.val, &dataset.test}) {
    std::vector<T> values;
    for (std::size_t i = 0; i < examples * dataset.example_size(); ++i) values.push_back(static_cast<T>(i * 3 % 251));
    for (std::size_t i = 0; i < examples; ++i)
      split->labels.push_back(static_cast<std::uint16_t>(static_cast<std::size_t>(classes) - 1 - i));
    split->values = std::move(values);
    examples -= 2;
  }
  return dataset;
}

void check_round_trip(const Dataset& dataset) {
  const Folder folder;
  const auto file = folder.path / "site.npz";
  REQUIRE(write_npz(file, dataset));
  const auto read = read_npz_file(file, dataset.shape, dataset.classes);
  REQUIRE(read);
  CHECK(*read == dataset);
}

}  // namespace

TEST_CASE("a data set reads back as it was written") {
  check_round_trip(counting<std::uint8_t>({1, 3, 4}, 10));
  check_round_trip(counting<std::uint8_t>({3, 3, 3}, 10));
  check_round_trip(counting<std::uint8_t>({3, 4, 5}, 10));
  check_round_trip(counting<float>({1, 3, 4}, 256));
  check_round_trip(counting<float>({60}, 1000));
  auto without = counting<float>({60}, 10);
  without.val = Split{std::vector<float>(), {}};
  check_round_trip(without);
}

TEST_CASE("arrays lie in the file as numpy writes them, aligned, and the same bytes every time") {
  const Folder folder;
  const auto dataset = counting<std::uint8_t>({1, 3, 4}, 10);
  REQUIRE(write_npz(folder.path / "a.npz", dataset));
  REQUIRE(write_npz(folder.path / "b.npz", dataset));
  const auto bytes = slurp(folder.path / "a.npz");
  CHECK(bytes == slurp(folder.path / "b.npz"));
  const auto at = bytes.find("\x93NUMPY");
  REQUIRE(at != std::string::npos);
  CHECK(bytes.substr(at + 10, 59) == "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 3, 4,");
  CHECK(bytes[at + 127] == '\n');
  CHECK(bytes.substr(at + 128, 3) == std::string("\0\3\6", 3));
}

TEST_CASE("a data set whose values don't belong to its labels, and a folder that isn't there, are refused") {
  auto dataset = counting<std::uint8_t>({1, 3, 4}, 10);
  dataset.train.labels.pop_back();
  const Folder folder;
  const auto refused = write_npz(folder.path / "a.npz", dataset);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("expected 48 values for 4 labels, found 60"));
  CHECK_FALSE(std::filesystem::exists(folder.path / "a.npz"));
  CHECK_FALSE(write_npz(folder.path / "no" / "a.npz", counting<std::uint8_t>({1, 3, 4}, 10)));
}
