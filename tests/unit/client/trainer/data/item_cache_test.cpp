#include "client/trainer/data/item_cache.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <numeric>
#include <thread>

#include "client/trainer/data/loader.h"
#include "tests/unit/client/trainer/data/item_files.h"

namespace consilium::data::testing {
namespace {

constexpr std::uint64_t kMuch = 1 << 20;

/// Returns a picture of 16 x 16 with a mask. Its values are bytes or floats.
PreparedItem item_of(int number, bool bytes) {
  PreparedItem item{Volume{1, {1, 16, 16}, std::vector<float>(256), {1.0, 0.5, 0.25}, true, bytes},
                    Mask{{16, 16}, std::vector<std::uint8_t>(256)}, 0.5F, 2.0F};
  for (std::size_t i = 0; i < 256; ++i) {
    item.image.values[i] =
        static_cast<float>((i * 7 + static_cast<std::size_t>(number) * 13) % 256) * (bytes ? 1.0F : 0.37F);
    std::get<Mask>(item.target).classes[i] = static_cast<std::uint8_t>((i + static_cast<std::size_t>(number)) % 3);
  }
  return item;
}

void check_equal(const std::optional<PreparedItem>& found, const PreparedItem& expected) {
  REQUIRE(found);
  CHECK(found->image.values == expected.image.values);
  CHECK(found->image.sides == expected.image.sides);
  CHECK(found->image.spacing == expected.image.spacing);
  CHECK(found->image.bytes == expected.image.bytes);
  CHECK(found->target == expected.target);
  CHECK(found->mean == expected.mean);
  CHECK(found->deviation == expected.deviation);
}

std::shared_ptr<ScratchFile> scratch_in(const Folder& folder, std::uint64_t limit) {
  auto file = ScratchFile::create_in(folder.path, limit);
  if (!file) FAIL(file.error().message);
  return *file;
}

TEST_CASE("what doesn't fit into memory goes to the scratch file, and comes back as it was") {
  const Folder folder;
  for (const bool bytes : {true, false}) {
    ItemCache cache(4000, scratch_in(folder, kMuch));
    for (int i = 0; i < 20; ++i) cache.keep(static_cast<std::uint64_t>(i), item_of(i, bytes));
    CHECK(cache.bytes() > 0);
    CHECK(cache.bytes() <= 4000);
    CHECK(cache.bytes_on_disk() > 0);
    for (int i = 0; i < 20; ++i) check_equal(cache.find(static_cast<std::uint64_t>(i)), item_of(i, bytes));
    CHECK_FALSE(cache.find(20));
  }
}

TEST_CASE("the scratch file keeps to its limit, and its room is taken again when a cache goes") {
  const Folder folder;
  const auto file = scratch_in(folder, 3 * 512);
  for (int round = 0; round < 3; ++round) {
    ItemCache cache(0, file);
    for (int i = 0; i < 10; ++i) cache.keep(static_cast<std::uint64_t>(i), item_of(i + round, true));
    CHECK(cache.bytes_on_disk() == 3 * 512);
    for (int i = 0; i < 3; ++i) check_equal(cache.find(static_cast<std::uint64_t>(i)), item_of(i + round, true));
    CHECK_FALSE(cache.find(3));
  }
}

TEST_CASE("threads fill and read a cache together") {
  const Folder folder;
  ItemCache cache(2000, scratch_in(folder, kMuch));
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 40; ++i)
        cache.keep(static_cast<std::uint64_t>((i + t * 10) % 40), item_of((i + t * 10) % 40, true));
    });
  }
  threads.clear();
  for (int i = 0; i < 40; ++i) check_equal(cache.find(static_cast<std::uint64_t>(i)), item_of(i, true));
}

TEST_CASE("the scratch file has no name, nobody else may read it, and it holds no image in clear") {
  const Folder folder;
  const int descriptor = ::open(folder.path.c_str(), O_TMPFILE | O_RDWR | O_EXCL, 0600);
  REQUIRE(descriptor >= 0);
  const files::Descriptor other(::dup(descriptor));
  ItemCache cache(0, ScratchFile::adopt(files::Descriptor(descriptor), kMuch).value());
  PreparedItem item = item_of(0, true);
  std::fill(item.image.values.begin(), item.image.values.end(), 65.0F);
  cache.keep(0, item);
  cache.keep(1, item);
  std::string bytes(1024, '\0');
  REQUIRE(::pread(other.get(), bytes.data(), bytes.size(), 0) == 1024);
  CHECK(bytes.find("AAAA") == std::string::npos);
  CHECK(bytes.substr(0, 512) != bytes.substr(512));  // no two slots have the same ciphertext
  CHECK(std::filesystem::is_empty(folder.path));
  struct stat state {};
  REQUIRE(::fstat(other.get(), &state) == 0);
  CHECK(state.st_nlink == 0);
  CHECK((state.st_mode & 0777) == 0600);
}

TEST_CASE("an item that can't be written or read back is left out") {
  const Folder folder;
  spill(folder.path / "read-only", "");
  files::Descriptor file(::open((folder.path / "read-only").c_str(), O_RDONLY));
  ItemCache cache(0, ScratchFile::adopt(std::move(file), kMuch).value());
  cache.keep(0, item_of(0, true));
  CHECK_FALSE(cache.find(0));
  check_refusal(ScratchFile::create_in(folder.path / "missing", kMuch), {"missing", "create an unnamed file"});
}

TEST_CASE("an item that the disk has changed or lost is left out") {
  const Folder folder;
  const int descriptor = ::open(folder.path.c_str(), O_TMPFILE | O_RDWR | O_EXCL, 0600);
  REQUIRE(descriptor >= 0);
  const files::Descriptor other(::dup(descriptor));
  ItemCache cache(0, ScratchFile::adopt(files::Descriptor(descriptor), kMuch).value());
  for (int i = 0; i < 4; ++i) cache.keep(static_cast<std::uint64_t>(i), item_of(i, true));
  const auto flip = [&](off_t at) {
    char byte = 0;
    REQUIRE(::pread(other.get(), &byte, 1, at) == 1);
    byte = static_cast<char>(byte ^ 1);
    REQUIRE(::pwrite(other.get(), &byte, 1, at) == 1);
  };
  flip(512 + 3);            // a value of the second item
  flip(2 * 512 + 256 + 3);  // a class of the third item's mask
  REQUIRE(::ftruncate(other.get(), 4 * 512 - 1) == 0);
  check_equal(cache.find(0), item_of(0, true));
  for (const std::uint64_t key : {1U, 2U, 3U}) CHECK_FALSE(cache.find(key));
}

TEST_CASE("an item beyond the process's RLIMIT_FSIZE is left out, and doesn't end the process") {
  const Folder folder;
  ItemCache cache(0, scratch_in(folder, kMuch));
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit low{512 + 100, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &low) == 0);
  for (int i = 0; i < 3; ++i) cache.keep(static_cast<std::uint64_t>(i), item_of(i, true));
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  check_equal(cache.find(0), item_of(0, true));
  CHECK_FALSE(cache.find(1));
  CHECK_FALSE(cache.find(2));
}

TEST_CASE("a data set gives the same examples with a scratch file, and reads its images once") {
  const Folder folder;
  for (int i = 0; i < 10; ++i) write_small(folder.path / "images" / "x" / (std::to_string(i) + ".npy"), i * 20);
  const trainer::DataSource source = [&] {
    trainer::DataSource described{.type = "image_folder", .path = (folder.path / "images").string()};
    described.loading.cache_bytes = 0;
    return described;
  }();
  const auto examples = [&](const std::shared_ptr<ScratchFile>& scratch, bool remove) {
    const auto set = ItemSet::open(source, {1, 2, 2}, 1, nullptr, scratch).value();
    if (remove) std::filesystem::remove_all(folder.path / "images");
    Loader loader(set, job::Split::kTrain, true);
    std::vector<std::vector<float>> values;
    for (std::size_t row = 0; row < loader.size(); ++row)
      values.push_back(loader.take(static_cast<std::int64_t>(row)).value().image.values);
    return values;
  };
  const auto expected = examples(nullptr, false);
  CHECK(examples(scratch_in(folder, 20), false) == expected);  // room for some of the items
  CHECK(examples(scratch_in(folder, kMuch), true) == expected);
}

}  // namespace
}  // namespace consilium::data::testing
