#include <algorithm>
#include <cstring>
#include <limits>

#include "client/trainer/data/npy_header.h"
#include "files.h"

using namespace consilium;
using namespace consilium::data;
using namespace consilium::data::testing;
using Bytes = std::vector<std::uint8_t>;
using Floats = std::vector<float>;
using Labels = std::vector<std::uint16_t>;

namespace {

std::filesystem::path medmnist(const std::string& name) {
  return std::filesystem::path(CONSILIUM_SOURCE_DIR) / "../shared/data/medmnist" / name;
}

/// Reads a training split of one array of images and one of labels.
Result<Dataset> read_arrays(const std::string& images, const std::string& labels,
                            std::vector<std::int64_t> input = {1, 2, 2}, std::int64_t classes = 3,
                            ReadLimits limits = {}) {
  const Folder folder;
  const auto file = folder.path / "site.npz";
  write_zip(file, {{"train_images.npy", images}, {"train_labels.npy", labels}});
  return read_npz_file(file, std::move(input), classes, limits);
}

}  // namespace

TEST_CASE("MedMNIST's official files are read whole") {
  if (!std::filesystem::exists(medmnist("pneumoniamnist.npz"))) {
    WARN("skipped: no ../shared/data/medmnist beside the source");
    return;
  }
  const auto chest = read_npz_file(medmnist("pneumoniamnist.npz"), {1, 28, 28}, 2);
  REQUIRE(chest);
  CHECK(chest->train.size() == 4708);
  CHECK(chest->val.size() == 524);
  CHECK(chest->test.size() == 624);
  CHECK(std::count(chest->train.labels.begin(), chest->train.labels.end(), 1) == 3494);
  CHECK(std::get<Bytes>(chest->train.values).size() == 4708 * 784);
  const auto breast = read_npz_file(medmnist("breastmnist.npz"), {1, 28, 28}, 2);
  REQUIRE(breast);
  CHECK(breast->train.size() == 546);
  check_refused(read_npz_file(medmnist("breastmnist.npz"), {3, 28, 28}, 2),
                "train_images: expected a shape of N x [3, 28, 28]");
  check_refused(read_npz_file(medmnist("breastmnist.npz"), {1, 28, 28}, 1), "train_labels: label ");
}

TEST_CASE("stored and deflated arrays read alike, and splits may be missing or empty") {
  const Folder folder;
  const auto file = folder.path / "site.npz";
  Entries entries{{"train_images.npy", good_images()}, {"train_labels.npy", good_labels()}};
  for (const zip_int32_t method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
    write_zip(file, entries, method);
    const auto dataset = read_npz_file(file);
    REQUIRE(dataset);
    CHECK(bytes_of(std::get<Bytes>(dataset->train.values)) == pixels());
    CHECK(dataset->train.labels == Labels{0, 1, 2});
    CHECK(dataset->val.size() == 0);
  }
  entries.push_back({"val_images.npy", npy(dictionary("<f8", "(0, 2, 2)"), "")});
  entries.push_back({"val_labels.npy", npy(dictionary("<i8", "(0,)"), "")});
  entries.push_back({"test_images.npy", good_images()});
  entries.push_back({"test_labels.npy", npy(dictionary("<i4", "(3,)"), bytes_of(std::vector<std::int32_t>{2, 0, 1}))});
  write_zip(file, entries);
  const auto dataset = read_npz_file(file);
  REQUIRE(dataset);
  CHECK(dataset->val.size() == 0);
  CHECK(dataset->val.values.index() == 0);
  CHECK(dataset->test.labels == Labels{2, 0, 1});
}

TEST_CASE("colour images are brought from height, width, channel to the model's order") {
  const auto last = npy(dictionary("|u1", "(2, 1, 2, 3)"), bytes_of(Bytes{1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16}));
  const auto labels = npy(dictionary("|u1", "(2,)"), std::string(2, '\0'));
  const auto dataset = read_arrays(last, labels, {3, 1, 2});
  REQUIRE(dataset);
  CHECK(std::get<Bytes>(dataset->train.values) == Bytes{1, 4, 2, 5, 3, 6, 11, 14, 12, 15, 13, 16});
  const auto first = npy(dictionary("|u1", "(2, 3, 1, 2)"), bytes_of(Bytes{1, 4, 2, 5, 3, 6, 11, 14, 12, 15, 13, 16}));
  const auto same = read_arrays(first, labels, {3, 1, 2});
  REQUIRE(same);
  CHECK(*same == *dataset);
}

TEST_CASE("grey images match with and without their channel, and flat inputs take features or images") {
  for (const char* shape : {"(3, 2, 2)", "(3, 1, 2, 2)", "(3, 2, 2, 1)"}) {
    CHECK(read_arrays(npy(dictionary("|u1", shape), pixels()), good_labels()));
  }
  CHECK(read_arrays(npy(dictionary("|u1", "(3, 4)"), pixels()), good_labels(), {4}));
  CHECK(read_arrays(npy(dictionary("|u1", "(3, 2, 2)"), pixels()), good_labels(), {4}));
  check_refused(read_arrays(npy(dictionary("|u1", "(3, 4)"), pixels()), good_labels()),
                "expected a shape of N x [1, 2, 2]");
  check_refused(read_arrays(npy(dictionary("|u1", "(12,)"), pixels()), good_labels()), "found [12]");
  check_refused(read_arrays(npy(dictionary("|u1", "()"), "x"), good_labels()), "found []");
}

TEST_CASE("float64 becomes float32, and what isn't finite then is refused") {
  const std::vector<double> values{0.5, -1e-3, 3, 1e38};
  const auto labels = npy(dictionary("|u1", "(2,)"), std::string(2, '\0'));
  const auto dataset = read_arrays(npy(dictionary("<f8", "(2, 2)"), bytes_of(values)), labels, {2});
  REQUIRE(dataset);
  CHECK(std::get<Floats>(dataset->train.values) == Floats{0.5F, -1e-3F, 3, 1e38F});
  check_refused(
      read_arrays(npy(dictionary("<f8", "(2, 2)"), bytes_of(std::vector<double>{0, 0, 1e39, 0})), labels, {2}),
      "train_images: example 1 holds inf");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  check_refused(read_arrays(npy(dictionary("<f4", "(2, 2)"), bytes_of(Floats{0, nan, 0, 0})), labels, {2}),
                "train_images: example 0 holds nan");
}

TEST_CASE("labels of every integer type are read, and refused outside the classes") {
  const auto check = [](const std::string& descr, const std::string& good, const std::string& bad,
                        const std::string& found) {
    CAPTURE(descr);
    const auto dataset = read_arrays(good_images(), npy(dictionary(descr, "(3,)"), good));
    REQUIRE(dataset);
    CHECK(dataset->train.labels == Labels{2, 1, 0});
    check_refused(read_arrays(good_images(), npy(dictionary(descr, "(3,)"), bad)),
                  "train_labels: label 1 is " + found + ", expected 0 to 2");
  };
  check("|u1", bytes_of(Bytes{2, 1, 0}), bytes_of(Bytes{2, 3, 0}), "3");
  check("|i1", bytes_of(std::vector<std::int8_t>{2, 1, 0}), bytes_of(std::vector<std::int8_t>{2, -1, 0}), "-1");
  check("<u2", bytes_of(Labels{2, 1, 0}), bytes_of(Labels{2, 65535, 0}), "65535");
  check("<i2", bytes_of(std::vector<std::int16_t>{2, 1, 0}), bytes_of(std::vector<std::int16_t>{2, -7, 0}), "-7");
  check("<u4", bytes_of(std::vector<std::uint32_t>{2, 1, 0}), bytes_of(std::vector<std::uint32_t>{2, 1U << 31, 0}),
        "2147483648");
  check("<i4", bytes_of(std::vector<std::int32_t>{2, 1, 0}), bytes_of(std::vector<std::int32_t>{2, 3, 0}), "3");
  check("<u8", bytes_of(std::vector<std::uint64_t>{2, 1, 0}), bytes_of(std::vector<std::uint64_t>{2, UINT64_MAX, 0}),
        "18446744073709551615");
  check("<i8", bytes_of(std::vector<std::int64_t>{2, 1, 0}), bytes_of(std::vector<std::int64_t>{2, INT64_MIN, 0}),
        "-9223372036854775808");
}

TEST_CASE("an array that lies about itself is refused with its name") {
  const auto images = [](const std::string& array) { return read_arrays(array, good_labels()); };
  const auto header = [&](const std::string& text) { return images(npy(text, pixels())); };
  check_refused(header(dictionary("|u1", "(4, 2, 2)")),
                "train_images: its header declares a shape of [4, 2, 2] of uint8, 16 bytes of data, but 12");
  check_refused(header(dictionary("|u1", "(2, 2, 2)")), "8 bytes of data, but 12 bytes follow it");
  check_refused(header(dictionary("<f8", "(3, 2, 2)")), "96 bytes of data, but 12");
  check_refused(header(dictionary("|u1", "(-3, 2, 2)")),
                "train_images: its header's shape holds something other than numbers");
  check_refused(header(dictionary("|u1", "(99999999999999999999, 2, 2)")), "numbers from 0 to 2^48");
  check_refused(header(dictionary("|u1", "(281474976710656, 281474976710656, 281474976710656)")),
                "more than the 4294967296 bytes");
  check_refused(header(dictionary("|u1", "(10000000000, 1, 1)")),
                "train_images: declares a shape of [10000000000, 1, 1]");
  check_refused(header(dictionary("|u1", "(1, 1, 1, 1, 1, 1, 1, 1, 1)")), "more than 8 dimensions");
  check_refused(header(dictionary("|u1", "[3, 2, 2]")), "isn't a tuple");
  check_refused(header(dictionary("|u1", "(3, 2 2)")), "isn't a tuple");
  check_refused(header(dictionary(">f4", "(3, 2, 2)")), "its elements are '>f4'");
  check_refused(header(dictionary("|O", "(3, 2, 2)")), "its elements are '|O'");
  check_refused(header(dictionary("|b1", "(3, 2, 2)")), "its elements are '|b1'");
  check_refused(header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }"), "structured");
  check_refused(header("{'descr': '|u1', 'fortran_order': True, 'shape': (3, 2, 2), }"), "Fortran order");
  check_refused(header("{'descr': '|u1', 'fortran_order': Maybe, 'shape': (3, 2, 2), }"), "neither True nor False");
  check_refused(header("{'descr': '|u1', 'fortran_order': False, }"), "lacks one of");
  check_refused(header("{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 2), }"),
                "'descr' that is unknown or repeated");
  check_refused(header("{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 2), 'x': 1}"), "'x' that is unknown");
  check_refused(header("{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 2), } import os"),
                "has more text after");
  check_refused(header("__import__('os')"), "isn't a dictionary");
  check_refused(header("{'descr: 3"), "isn't a dictionary");
  check_refused(header(""), "isn't a dictionary");
  check_refused(images(""), "train_images: is truncated");
  check_refused(images("PK"), "train_images: is truncated");
  check_refused(images("\x89PNG\r\n\x1a\n"), "isn't a .npy array");
  check_refused(images(std::string("\x93NUMPY\x09\x00\x05\x00", 10)), "has .npy format 9.0");
  check_refused(images(std::string("\x93NUMPY\x02\x00\xff\xff\xff\x7f", 12)), "declares a header of 2147483647 bytes");
  check_refused(images(npy(dictionary("<i8", "(3, 2, 2)"), std::string(96, '\0'))),
                "expected uint8, float32 or float64, found int64");
  check_refused(read_arrays(good_images(), npy(dictionary("<f4", "(3,)"), std::string(12, '\0'))),
                "train_labels: expected integers, found float32");
  check_refused(read_arrays(good_images(), npy(dictionary("|u1", "(3, 2)"), std::string(6, '\0'))),
                "its targets are of the kind 'labels', expected one class for each example in train_labels");
  check_refused(read_arrays(good_images(), npy(dictionary("|u1", "(3, 1, 1)"), std::string(3, '\0'))),
                "train_labels: expected a shape of N or N x 1, found [3, 1, 1]");
  check_refused(read_arrays(good_images(), npy(dictionary("|u1", "()"), "x")), "train_labels: expected a shape of N");
  check_refused(read_arrays(good_images(), npy(dictionary("|u1", "(2,)"), std::string(2, '\0'))),
                "train_labels: expected 3 labels");
}

namespace {

/// Reads splits whose targets can be of any kind.
Result<Dataset> read_any(const Entries& entries, std::vector<std::int64_t> input = {1, 2, 2},
                         std::int64_t classes = 3) {
  const Folder folder;
  const auto file = folder.path / "site.npz";
  write_zip(file, entries);
  return read_dataset({.type = "npz", .path = file.string()}, input, classes, {}, Targets::kAny);
}

std::string integers(const std::string& shape, const Bytes& values) {
  return npy(dictionary("|u1", shape), bytes_of(values));
}

}  // namespace

TEST_CASE("an array of masks gives each image its mask, in volumes with channels too") {
  const Bytes masks{0, 1, 2, 2, 1, 1, 0, 0, 2, 0, 0, 1};
  const auto flat = read_any({{"train_images.npy", good_images()}, {"train_masks.npy", integers("(3, 2, 2)", masks)}});
  REQUIRE(flat);
  CHECK(flat->target == TargetKind::kMask);
  CHECK(flat->train.size() == 3);
  CHECK(flat->train.parts == masks);
  CHECK(flat->train.parts_size() == 4);
  // Two channels, last in the file and first in the model.
  Bytes voxels(2 * 3 * 2 * 1 * 2);
  for (std::size_t i = 0; i < voxels.size(); ++i) voxels[i] = static_cast<std::uint8_t>(i);
  const Entries volumes{{"train_images.npy", integers("(2, 3, 2, 1, 2)", voxels)},
                        {"train_masks.npy", integers("(2, 3, 2, 1)", masks)}};
  const auto deep = read_any(volumes, {2, 3, 2, 1});
  REQUIRE(deep);
  CHECK(deep->train.parts == masks);
  CHECK(std::get<Bytes>(deep->train.values)[1] == 2);
  CHECK(std::get<Bytes>(deep->train.values)[6] == 1);
  CHECK(select(deep->train, std::vector<std::uint32_t>{1}, 12).parts == Bytes(masks.begin() + 6, masks.end()));
}

TEST_CASE("several columns of labels are labels of their own") {
  const auto dataset = read_any({{"train_images.npy", good_images()},
                                 {"train_labels.npy", integers("(3, 2)", {1, 0, 0, 0, 1, 1})},
                                 {"val_images.npy", good_images()},
                                 {"val_labels.npy", integers("(3, 2)", {0, 0, 0, 1, 0, 1})}});
  REQUIRE(dataset);
  CHECK(dataset->target == TargetKind::kLabels);
  CHECK(dataset->train.parts == Bytes{1, 0, 0, 0, 1, 1});
  CHECK(dataset->val.parts_size() == 2);
}

TEST_CASE("masks and labels that don't fit their images or each other are refused") {
  const auto with = [](const std::string& name, const std::string& shape, const Bytes& values, Entries more = {}) {
    more.insert(more.begin(), {{"train_images.npy", good_images()}, {name, integers(shape, values)}});
    return read_any(more);
  };
  const Bytes twelve(12, 1);
  check_refused(with("train_masks.npy", "(3, 4)", twelve),
                "train_masks: expected a mask for each image, N x [2, 2], found [3, 4]");
  check_refused(with("train_masks.npy", "(2, 2, 2)", Bytes(8, 1)), "train_masks: expected 3 masks, one for each of");
  check_refused(with("train_masks.npy", "(3, 2, 2)", Bytes(12, 3)), "train_masks: pixel 0 is 3, expected 0 to 2");
  check_refused(with("train_labels.npy", "(3, 2)", Bytes(6, 2)), "train_labels: label 0 is 2, expected 0 to 1");
  check_refused(with("train_masks.npy", "(3, 2, 2)", twelve, {{"train_labels.npy", good_labels()}}),
                "train_labels and train_masks: expected one of them");
  check_refused(
      with("train_masks.npy", "(3, 2, 2)", twelve,
           {{"val_images.npy", good_images()}, {"val_labels.npy", good_labels()}}),
      "val_labels: its targets are of the kind 'class', but those of the training split are of the kind 'mask'");
  check_refused(with("train_labels.npy", "(3, 2)", Bytes(6, 1),
                     {{"val_images.npy", good_images()}, {"val_labels.npy", integers("(3, 3)", Bytes(9, 1))}}),
                "val_labels: expected 2 labels for each example as in train_labels, found 3");
}

TEST_CASE("a file that lacks an array, is of another kind, or mixes types is refused by name") {
  const Folder folder;
  const auto file = folder.path / "site.npz";
  write_zip(file, {{"train_images.npy", good_images()}});
  check_refused(read_npz_file(file), file.string() + ": train_labels: missing");
  write_zip(file, {{"images.npy", good_images()}});
  check_refused(read_npz_file(file), "train_images: missing");
  write_zip(
      file,
      {{"train_images.npy", good_images()}, {"train_labels.npy", good_labels()}, {"val_labels.npy", good_labels()}});
  check_refused(read_npz_file(file), "val_images: missing");
  write_zip(file, {{"train_images.npy", npy(dictionary("|u1", "(0, 2, 2)"), "")},
                   {"train_labels.npy", npy(dictionary("|u1", "(0,)"), "")}});
  check_refused(read_npz_file(file), "train_images: holds no examples");
  write_zip(file, {{"train_images.npy", good_images()},
                   {"train_labels.npy", good_labels()},
                   {"test_images.npy", npy(dictionary("<f4", "(3, 2, 2)"), std::string(48, '\0'))},
                   {"test_labels.npy", good_labels()}});
  check_refused(read_npz_file(file), "test_images: expected uint8 as in train_images, found float");
  spill(file, "not a zip");
  check_refused(read_npz_file(file), "cannot be opened as a zip archive");
  check_refused(read_npz_file(folder.path), "isn't a regular file");
  check_refused(read_npz_file(folder.path / "missing.npz"), "no such file");
  check_refused(read_dataset({.type = "parquet", .path = file.string()}, {1, 2, 2}, 3), "found 'parquet'");
  check_refused(read_npz_file(file, {2, 2}), "isn't the shape of an example");
  check_refused(read_npz_file(file, {1, INT64_MAX, INT64_MAX}), "isn't the shape of an example");
  check_refused(read_npz_file(file, {1, 2, 2}, 70000), "classes: expected 1 to 65536");
}

TEST_CASE("two arrays of one name are refused") {
  const Folder folder;
  const auto file = folder.path / "site.npz";
  write_zip(
      file,
      {{"train_images.npy", good_images()}, {"train_imagez.npy", good_images()}, {"train_labels.npy", good_labels()}});
  auto bytes = slurp(file);
  for (auto at = bytes.find("imagez"); at != std::string::npos; at = bytes.find("imagez")) bytes[at + 5] = 's';
  spill(file, bytes);
  check_refused(read_npz_file(file), "two entries of the same name");
}

TEST_CASE("a bomb of zeros is refused by the limit, and a lying size by what deflate can do") {
  const Folder folder;
  const auto file = folder.path / "bomb.npz";
  const std::string zeros(8 << 20, '\0');
  write_zip(
      file,
      {{"train_images.npy", npy(dictionary("|u1", "(2097152, 2, 2)"), zeros)}, {"train_labels.npy", good_labels()}},
      ZIP_CM_DEFLATE);
  CHECK(std::filesystem::file_size(file) < 20000);
  check_refused(read_npz_file(file, {1, 2, 2}, 3, ReadLimits{1 << 20}),
                "train_images: declares a shape of [2097152, 2, 2] of uint8, which takes more than the 1048576 bytes");
  // The same entry, with its declared size raised to nearly 4 GiB in both the central directory and the array's header.
  const auto liar = npy(dictionary("|u1", "(1073741000, 2, 2)"), zeros.substr(0, 1000));
  write_zip(file, {{"train_images.npy", liar}, {"train_labels.npy", good_labels()}}, ZIP_CM_DEFLATE);
  auto bytes = slurp(file);
  const auto central = bytes.find("PK\x01\x02");
  REQUIRE(central != std::string::npos);
  const auto declared = static_cast<std::uint32_t>(liar.size() - 1000 + 1073741000ULL * 4);
  std::memcpy(bytes.data() + central + 24, &declared, 4);
  spill(file, bytes);
  check_refused(read_npz_file(file), "compressed bytes can hold");
}

TEST_CASE("the limit holds for all arrays together") {
  const Folder folder;
  const auto file = folder.path / "site.npz";
  Entries entries;
  for (const std::string name : {"train", "val", "test"}) {
    entries.push_back({name + "_images.npy", good_images()});
    entries.push_back({name + "_labels.npy", good_labels()});
  }
  write_zip(file, entries);
  CHECK(read_npz_file(file, {1, 2, 2}, 3, ReadLimits{45}));
  check_refused(read_npz_file(file, {1, 2, 2}, 3, ReadLimits{44}), "test_labels: declares");
}

TEST_CASE("a truncated npz is refused at every length, and no flipped byte yields other data") {
  const Folder folder;
  const auto file = folder.path / "site.npz";
  for (const zip_int32_t method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
    write_zip(file, {{"train_images.npy", good_images()}, {"train_labels.npy", good_labels()}}, method);
    const auto good = slurp(file);
    const auto expected = read_npz_file(file);
    REQUIRE(expected);
    for (std::size_t length = 0; length < good.size(); ++length) {
      spill(file, good.substr(0, length));
      REQUIRE_FALSE(read_npz_file(file));
    }
    for (std::size_t i = 0; i < good.size(); ++i) {
      for (const int flip : {0x01, 0x80, 0xff}) {
        auto bytes = good;
        bytes[i] = static_cast<char>(bytes[i] ^ flip);
        spill(file, bytes);
        const auto dataset = read_npz_file(file);
        CAPTURE(i, flip);
        if (dataset) CHECK(*dataset == *expected);
      }
    }
  }
}

TEST_CASE("a .npy dictionary may order its keys freely and use other quotes") {
  const auto header = parse_npy_dictionary(R"({"shape": (5,), "fortran_order": True, "descr": "<f4"})");
  REQUIRE(header);
  CHECK(header->type == ElementType::kFloat32);
  CHECK(header->shape == std::vector<std::uint64_t>{5});
}
