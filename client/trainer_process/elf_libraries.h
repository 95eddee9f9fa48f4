#pragma once

#include <filesystem>
#include <vector>

/// Finds the files that the dynamic linker needs for a program.
namespace consilium::trainer {

struct ProgramFiles {
  std::vector<std::filesystem::path> executables;  ///< the program, its ELF loader, the interpreter of its #! line
  /// Named by DT_RUNPATH and DT_RPATH, including those of the libraries found there.
  std::vector<std::filesystem::path> folders;
};

/// Reads the ELF headers of the program and of the libraries it needs that lie in run paths. Reads at most 512 files; a
/// file that is not a well-formed ELF file adds nothing. The system's own folders (/lib, /usr) are not listed.
[[nodiscard]] ProgramFiles program_files(const std::filesystem::path& program);

}  // namespace consilium::trainer
