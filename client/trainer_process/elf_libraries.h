#pragma once

#include <filesystem>
#include <vector>

/// Which files the dynamic linker will want for a program.
namespace consilium::trainer {

struct ProgramFiles {
  std::vector<std::filesystem::path> executables;  ///< the program, its ELF loader, the interpreter of its #! line
  std::vector<std::filesystem::path> folders;      ///< of DT_RUNPATH and DT_RPATH, of the libraries found there too
};

/// Reads ELF headers of the program, and of the libraries it needs that lie in run paths. Bounded: at most 512 files,
/// and a file that is not a well-formed ELF file adds nothing. The system's own folders (/lib, /usr) are not listed.
[[nodiscard]] ProgramFiles program_files(const std::filesystem::path& program);

}  // namespace consilium::trainer
