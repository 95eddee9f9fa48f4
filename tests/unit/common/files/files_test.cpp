#include "common/files/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "common/files/atomic_file.h"
#include "common/files/temporary_folder.h"
#include "tests/catch.h"

namespace consilium::files {
namespace {

namespace fs = std::filesystem;

unsigned mode_of(const fs::path& file) {
  struct stat status {};
  REQUIRE(::lstat(file.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

std::size_t entries_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST_CASE("a descriptor is closed once, by its last owner") {
  Descriptor first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = first.get();
  Descriptor second(std::move(first));
  CHECK_FALSE(first);
  REQUIRE(second.get() == number);
  second = Descriptor();
  CHECK(::fcntl(number, F_GETFD) == -1);
}

TEST_CASE("a device, a pipe or a folder is never replaced by a file") {
  const auto folder = TemporaryFolder::create("files-test").value();
  const fs::path pipe = folder.path() / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const fs::path& there : {pipe, folder.path()}) {
    const auto replaced = replace_file(there, "text");
    CHECK(replaced.error().code == ErrorCode::kInvalidArgument);
    CHECK_THAT(replaced.error().message, Catch::Contains(there.string() + ": exists and is not a file"));
  }
  CHECK(fs::is_fifo(pipe));
  CHECK(entries_in(folder.path()) == 1);
}

TEST_CASE("a link is followed unless the caller refuses links") {
  const auto folder = TemporaryFolder::create("files-test").value();
  const fs::path file = folder.path() / "text";
  REQUIRE(replace_file(file, "12345678"));
  fs::create_symlink(file, folder.path() / "link");
  CHECK(read_file(folder.path() / "link", 8).value() == "12345678");
  const auto refused = read_file(folder.path() / "link", 8, Links::kRefuse);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(refused.error().message, Catch::Contains("symbolic link"));
  CHECK(read_file(file, 8, Links::kRefuse).value() == "12345678");
}

TEST_CASE("a file is read whole up to its limit and not beyond") {
  const auto folder = TemporaryFolder::create("files-test").value();
  const fs::path file = folder.path() / "text";
  REQUIRE(replace_file(file, "12345678"));
  CHECK(read_file(file, 8).value() == "12345678");
  const auto larger = read_file(file, 7);
  CHECK(larger.error().code == ErrorCode::kResourceExhausted);
  CHECK_THAT(larger.error().message, Catch::Contains(file.string()) && Catch::Contains("8 bytes; expected at most 7"));
  CHECK(read_file(folder.path() / "none", 8).error().code == ErrorCode::kNotFound);
  CHECK(read_file(folder.path(), 8).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(::mkfifo((folder.path() / "pipe").c_str(), 0600) == 0);
  CHECK(read_file(folder.path() / "pipe", 8).error().code == ErrorCode::kInvalidArgument);
  std::vector<std::byte> exact(8), more(9), fewer(7);
  CHECK(read_exactly(file, exact));
  CHECK(exact[0] == std::byte{'1'});
  CHECK(read_exactly(file, more).error().code == ErrorCode::kDataLoss);
  CHECK(read_exactly(file, fewer).error().code == ErrorCode::kDataLoss);
}

TEST_CASE("a secret's file has mode 0600, is never overwritten, and is read by its owner alone") {
  const auto folder = TemporaryFolder::create("files-test").value();
  CHECK(mode_of(folder.path()) == 0700);
  const fs::path file = folder.path() / "key";
  REQUIRE(create_private_file(file, "secret"));
  CHECK(mode_of(file) == 0600);
  CHECK(create_private_file(file, "other").error().code == ErrorCode::kAlreadyExists);
  CHECK(read_private_file(file, 100).value() == "secret");
  REQUIRE(::symlink("/nonexistent/elsewhere", (folder.path() / "link").c_str()) == 0);
  CHECK(create_private_file(folder.path() / "link", "x").error().code == ErrorCode::kAlreadyExists);
  fs::permissions(file, fs::perms::group_read, fs::perm_options::add);
  CHECK(read_private_file(file, 100).error().code == ErrorCode::kPermissionDenied);
}

TEST_CASE("replacing a file leaves nothing beside it, and doesn't follow a link") {
  const auto folder = TemporaryFolder::create("files-test").value();
  const fs::path file = folder.path() / "state", other = folder.path() / "other";
  const mode_t before = ::umask(027);
  REQUIRE(replace_file(other, "untouched"));
  fs::create_symlink(other, file);
  REQUIRE(replace_file(file, "new"));
  CHECK(read_file(other, 100).value() == "untouched");
  CHECK(fs::is_regular_file(fs::symlink_status(file)));
  CHECK(mode_of(file) == 0644);
  const std::string text = "bytes";
  REQUIRE(replace_file(file, std::as_bytes(std::span(text)), Access::kOwner));
  CHECK(mode_of(file) == 0600);
  REQUIRE(replace_file(file, std::as_bytes(std::span(text)), Access::kUmask));
  CHECK(mode_of(file) == 0640);
  ::umask(before);
  CHECK(entries_in(folder.path()) == 2);
  CHECK(replace_file(folder.path() / "no" / "such", "x").error().code == ErrorCode::kNotFound);
}

TEST_CASE("an atomic file that isn't renamed goes away") {
  const auto folder = TemporaryFolder::create("files-test").value();
  const std::vector<std::byte> large(std::size_t{20} << 20, std::byte{7});
  {
    auto file = AtomicFile::create_in(folder.path(), "incoming-", Access::kOwner).value();
    REQUIRE(file.write(large));
    REQUIRE(entries_in(folder.path()) == 1);
    CHECK_THAT(fs::directory_iterator(folder.path())->path().filename().string(), Catch::StartsWith("incoming-"));
  }
  CHECK(entries_in(folder.path()) == 0);
  auto file = AtomicFile::create_in(folder.path(), "incoming-", Access::kOwner).value();
  REQUIRE(file.write(large));
  REQUIRE(file.sync());
  REQUIRE(file.rename_to(folder.path() / "whole"));
  CHECK(fs::file_size(folder.path() / "whole") == large.size());
  CHECK(entries_in(folder.path()) == 1);
}

TEST_CASE("a folder's lock is held by one at a time") {
  const auto folder = TemporaryFolder::create("files-test").value();
  const Descriptor other(::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  {
    const auto lock = FolderLock::take(folder.path()).value();
    CHECK(::flock(other.get(), LOCK_EX | LOCK_NB) == -1);
  }
  CHECK(::flock(other.get(), LOCK_EX | LOCK_NB) == 0);
}

TEST_CASE("a temporary folder goes with what is in it, unless it is kept") {
  fs::path gone, kept;
  {
    auto folder = TemporaryFolder::create("files-test").value();
    gone = folder.path();
    REQUIRE(make_private_folder(gone / "a" / "b"));
    CHECK(mode_of(gone / "a" / "b") == 0700);
    auto other = TemporaryFolder::create("files-test").value();
    kept = other.keep();
  }
  CHECK_FALSE(fs::exists(gone));
  CHECK(fs::exists(kept));
  fs::remove_all(kept);
}

}  // namespace
}  // namespace consilium::files
