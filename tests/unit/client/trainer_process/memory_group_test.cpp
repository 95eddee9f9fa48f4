#include "client/trainer_process/memory_group.h"

#include "tests/catch.h"
#include "tests/unit/client/trainer_process/fixtures.h"

using namespace consilium::trainer;

namespace {

/// Files like those of cgroup v2. Unlike the kernel, a plain folder creates no files in new folders, so the test can
/// limit a group only if the files of its folder can be opened.
struct FakeHierarchy {
  explicit FakeHierarchy(const std::string& controllers) {
    std::filesystem::create_directories(mount.path() / "system.slice/client.service/daemon");
    std::ofstream(mount.path() / "system.slice/client.service/cgroup.subtree_control") << controllers;
  }
  TemporaryFolder mount;
};

}  // namespace

TEST_CASE("no cgroup is made where none is delegated") {
  const FakeHierarchy hierarchy("cpu\n");
  const auto& mount = hierarchy.mount.path();
  CHECK_FALSE(MemoryGroup::create(mount, "", "t", 1));
  CHECK_FALSE(MemoryGroup::create(mount, "4:memory:/legacy\n", "t", 1));
  CHECK_FALSE(MemoryGroup::create(mount, "0::/\n", "t", 1));
  CHECK_FALSE(MemoryGroup::create(mount, "0::/../../etc\n", "t", 1));
  CHECK_FALSE(MemoryGroup::create(mount, "0::/no/such/service/daemon\n", "t", 1));
}

TEST_CASE("a group that can't be limited is given up, its folder removed") {
  const FakeHierarchy hierarchy("cpu memory\n");
  CHECK_FALSE(MemoryGroup::create(hierarchy.mount.path(), "0::/system.slice/client.service/daemon\n", "t", 1));
  CHECK_FALSE(std::filesystem::exists(hierarchy.mount.path() / "system.slice/client.service/t"));
}
