#include <unistd.h>

#include <cstring>
#include <fstream>
#include <thread>

#include "coordinator/journal/blob_store.h"
#include "coordinator/journal/memory_journal.h"
#include "tests/catch.h"

using namespace consilium;
using namespace consilium::journal;
namespace fs = std::filesystem;

namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "consilium-journal-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + (i >> 8));
  return bytes;
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("a blob is found under the digest of its bytes, and read from any offset") {
  const TemporaryFolder folder;
  auto store = BlobStore::open(folder.path() / "blobs").value();
  const auto bytes = pattern(GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{5000}, std::size_t{(17 << 20) + 3}));
  const auto digest = store.put(bytes).value();
  CHECK(digest == crypto::sha256(bytes));
  CHECK(store.size(digest).value() == bytes.size());
  CHECK(store.path(digest).filename() == crypto::to_hex(digest));
  std::vector<std::byte> read(bytes.size() + 10);
  CHECK(store.read(digest, 0, read).value() == bytes.size());
  CHECK(std::equal(bytes.begin(), bytes.end(), read.begin()));
  if (bytes.size() > 100) {
    CHECK(store.read(digest, bytes.size() - 7, std::span(read).first(20)).value() == 7);
    CHECK(std::memcmp(read.data(), bytes.data() + bytes.size() - 7, 7) == 0);
  }
  CHECK(store.read(digest, bytes.size() + 5, read).value() == 0);
  CHECK_FALSE(store.read(digest, ~std::uint64_t{0}, read).has_value());
  CHECK(files_in(folder.path() / "blobs") == 1);
}

TEST_CASE("a blob that isn't there is not found") {
  const TemporaryFolder folder;
  auto store = BlobStore::open(folder.path()).value();
  std::vector<std::byte> out(4);
  CHECK(store.size(crypto::sha256("x")).error().code == ErrorCode::kNotFound);
  CHECK(store.read(crypto::sha256("x"), 0, out).error().code == ErrorCode::kNotFound);
}

TEST_CASE("a blob put twice is one file, and outlives all but the last of those who retain it") {
  const TemporaryFolder folder;
  auto store = BlobStore::open(folder.path()).value();
  const auto digest = store.put(pattern(100)).value();
  store.retain(digest);
  CHECK(store.put(pattern(100)).value() == digest);
  store.retain(digest);
  CHECK(files_in(folder.path()) == 1);
  store.remove(digest);
  store.release(digest);
  CHECK(store.size(digest).has_value());
  store.release(digest);
  CHECK_FALSE(store.size(digest).has_value());
  store.release(digest);  // one release too many changes nothing
}

TEST_CASE("opening a store removes what an interrupted put left, and nothing else") {
  const TemporaryFolder folder;
  const auto digest = BlobStore::open(folder.path()).value().put(pattern(10)).value();
  std::ofstream(folder.path() / "incoming-abc123") << "half a model";
  auto store = BlobStore::open(folder.path()).value();
  CHECK(files_in(folder.path()) == 1);
  CHECK(store.size(digest).has_value());
}

TEST_CASE("blobs that nobody retains are removed at once, and their bytes are told") {
  const TemporaryFolder folder;
  auto store = BlobStore::open(folder.path()).value();
  const auto kept = store.put(pattern(10)).value();
  store.retain(kept);
  const auto gone = store.put(pattern(20)).value();
  std::ofstream(folder.path() / "notes.txt") << "an operator's";
  CHECK(store.remove_unretained() == 20);
  CHECK(store.size(kept).has_value());
  CHECK_FALSE(store.size(gone).has_value());
  CHECK(files_in(folder.path()) == 2);
  CHECK(store.remove_unretained() == 0);
}

TEST_CASE("a file is copied into the store, up to the stated size") {
  const TemporaryFolder folder;
  auto store = BlobStore::open(folder.path() / "blobs").value();
  const auto bytes = pattern(3 << 20);
  std::ofstream(folder.path() / "upload", std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), 3 << 20);
  CHECK(store.put_file(folder.path() / "upload", (3 << 20) - 1).error().code == ErrorCode::kResourceExhausted);
  CHECK(files_in(folder.path() / "blobs") == 0);
  CHECK(store.put_file(folder.path() / "upload", 3 << 20).value() == crypto::sha256(bytes));
  CHECK_FALSE(store.put_file(folder.path() / "nothing", 10).has_value());
}

TEST_CASE("a store in a place where no folder can be says so") {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "file") << "x";
  const auto store = BlobStore::open(folder.path() / "file" / "blobs");
  REQUIRE_FALSE(store.has_value());
  CHECK_THAT(store.error().message, Catch::Contains("blobs"));
}

TEST_CASE("threads put and read the same blobs at once") {
  const TemporaryFolder folder;
  auto store = BlobStore::open(folder.path()).value();
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (std::size_t i = 0; i < 20; ++i) {
          const auto bytes = pattern(1000 + i);
          const auto digest = store.put(bytes);
          std::vector<std::byte> read(bytes.size());
          if (!digest || store.read(*digest, 0, read).value() != bytes.size() || read != bytes) ++wrong;
        }
      });
    }
  }
  CHECK(wrong == 0);
  CHECK(files_in(folder.path()) == 20);
}

TEST_CASE("a journal takes strictly increasing effects of each job, and keeps the latest") {
  MemoryJournal journal(3);
  CHECK(journal.append({1, "a", "offer", "{}"}).has_value());
  CHECK(journal.append({1, "b", "offer", "{}"}).has_value());
  CHECK(journal.append({5, "a", "close", "{}"}).has_value());
  CHECK_FALSE(journal.append({5, "a", "close", "{}"}).has_value());
  CHECK_FALSE(journal.append({4, "a", "close", "{}"}).has_value());
  CHECK_FALSE(journal.append({0, "c", "close", "{}"}).has_value());
  CHECK(journal.append({6, "a", "end", "{}"}).has_value());
  REQUIRE(journal.entries().size() == 3);
  CHECK(journal.entries().front().job_id == "b");
  CHECK(journal.entries().back().kind == "end");
}
