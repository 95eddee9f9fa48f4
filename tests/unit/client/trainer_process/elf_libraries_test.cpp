#include "client/trainer_process/elf_libraries.h"

#include <algorithm>

#include "tests/catch.h"
#include "tests/unit/client/trainer_process/fixtures.h"

using namespace consilium::trainer;

namespace {

std::string file_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("a program may execute itself and its loader, and a script its interpreter") {
  const auto elf = program_files(kEchoTrainer);
  REQUIRE(elf.executables.size() == 2);
  CHECK(elf.executables[0] == kEchoTrainer);
  CHECK_THAT(elf.executables[1].string(), Catch::Contains("ld-linux"));
  const TemporaryFolder folder;
  const auto script = program_files(folder.write("trainer", "#! /usr/bin/python3 -I\nprint()\n"));
  REQUIRE(script.executables.size() >= 2);
  CHECK(script.executables[1] == "/usr/bin/python3");
}

TEST_CASE("folders of run paths are found, $ORIGIN too, through a file's own tables") {
  const TemporaryFolder folder;
  const auto library = folder.path() / "lib";
  std::filesystem::create_directory(library);
  const std::string source = folder.write("main.c", "int main(void) { return 0; }\n").string();
  const std::string program = (folder.path() / "program").string();
  const std::string compile = "cc " + source + " -o " + program + " '-Wl,-rpath,$ORIGIN/lib:/nowhere:relative'";
  REQUIRE(std::system(compile.c_str()) == 0);
  const auto files = program_files(program);
  REQUIRE(files.folders.size() == 1);
  CHECK(files.folders[0] == std::filesystem::canonical(library));
}

TEST_CASE("a truncated or scribbled ELF file adds nothing and does no harm") {
  const TemporaryFolder folder;
  const std::string good = file_bytes(kEchoTrainer);
  for (std::size_t size = 0; size < 1024; size += 13) {
    CHECK(program_files(folder.write("cut", good.substr(0, size))).folders.empty());
  }
  for (std::size_t at = 16; at < 800; at += 3) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x5a);
    bad[at + 1] = '\xff';
    CHECK(program_files(folder.write("scribbled", bad)).executables.size() <= 2);
  }
}
