#include "client/trainer_process/elf_libraries.h"

#include <elf.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <string>

namespace consilium::trainer {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFiles = 512;
constexpr std::size_t kMaxSegments = 128;
constexpr std::size_t kMaxDynamicEntries = 4096;
constexpr std::size_t kMaxText = 4096;

/// What one ELF file states about other files.
struct ElfFile {
  std::string loader;
  std::vector<std::string> needed;
  std::vector<std::string> run_paths;
};

template <class T>
bool read_at(std::ifstream& file, std::uint64_t offset, T& value) {
  file.clear();
  file.seekg(static_cast<std::streamoff>(offset));
  return static_cast<bool>(file.read(reinterpret_cast<char*>(&value), sizeof value));
}

std::string text_at(std::ifstream& file, std::uint64_t offset) {
  file.clear();
  file.seekg(static_cast<std::streamoff>(offset));
  std::string text;
  char c = 0;
  while (text.size() < kMaxText && file.get(c) && c != '\0') text.push_back(c);
  return text.size() < kMaxText ? text : std::string();
}

std::vector<Elf64_Phdr> segments_of(std::ifstream& file) {
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> segments;
  if (!read_at(file, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr) ||
      header.e_phnum > kMaxSegments || header.e_phoff > (std::uint64_t{1} << 40)) {
    return segments;
  }
  for (std::size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    if (!read_at(file, header.e_phoff + i * sizeof segment, segment)) return {};
    segments.push_back(segment);
  }
  return segments;
}

/// Returns the offset in the file of a virtual address.
std::optional<std::uint64_t> file_offset(const std::vector<Elf64_Phdr>& segments, std::uint64_t address) {
  for (const auto& segment : segments) {
    if (segment.p_type == PT_LOAD && address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz) {
      return address - segment.p_vaddr + segment.p_offset;
    }
  }
  return std::nullopt;
}

void split_paths(const std::string& list, std::vector<std::string>& paths) {
  std::size_t begin = 0;
  while (begin <= list.size()) {
    const std::size_t end = std::min(list.find(':', begin), list.size());
    if (end > begin) paths.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
}

ElfFile read_elf(const fs::path& path) {
  ElfFile elf;
  std::ifstream file(path, std::ios::binary);
  const auto segments = segments_of(file);
  std::vector<Elf64_Dyn> entries;
  for (const auto& segment : segments) {
    if (segment.p_type == PT_INTERP) elf.loader = text_at(file, segment.p_offset);
    if (segment.p_type != PT_DYNAMIC) continue;
    for (std::size_t i = 0; i < kMaxDynamicEntries && (i + 1) * sizeof(Elf64_Dyn) <= segment.p_filesz; ++i) {
      Elf64_Dyn entry{};
      if (!read_at(file, segment.p_offset + i * sizeof entry, entry) || entry.d_tag == DT_NULL) break;
      entries.push_back(entry);
    }
  }
  const auto strings = std::find_if(entries.begin(), entries.end(), [](const auto& e) { return e.d_tag == DT_STRTAB; });
  if (strings == entries.end()) return elf;
  const auto base = file_offset(segments, strings->d_un.d_ptr);
  if (!base) return elf;
  for (const auto& entry : entries) {
    if (entry.d_un.d_val > (std::uint64_t{1} << 32)) continue;
    if (entry.d_tag == DT_NEEDED) elf.needed.push_back(text_at(file, *base + entry.d_un.d_val));
    if (entry.d_tag == DT_RUNPATH || entry.d_tag == DT_RPATH) {
      split_paths(text_at(file, *base + entry.d_un.d_val), elf.run_paths);
    }
  }
  return elf;
}

/// Returns the folder of a run path entry with $ORIGIN resolved; empty if there is none, or if it is the root.
fs::path resolve_run_path(std::string entry, const fs::path& origin) {
  for (const std::string name : {"$ORIGIN", "${ORIGIN}"}) {
    if (const auto at = entry.find(name); at != std::string::npos) entry.replace(at, name.size(), origin.string());
  }
  std::error_code error;
  const fs::path folder = fs::canonical(entry, error);
  if (error || entry.front() != '/' || folder == "/" || !fs::is_directory(folder, error)) return {};
  return folder;
}

/// Returns the interpreter in a script's first line; empty for anything else.
fs::path script_interpreter(const fs::path& program) {
  std::ifstream file(program, std::ios::binary);
  std::string line(256, '\0');
  file.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<std::size_t>(file.gcount()));
  if (!line.starts_with("#!")) return {};
  const auto begin = line.find_first_not_of(" \t", 2);
  if (begin == std::string::npos) return {};
  return line.substr(begin, line.find_first_of(" \t\r\n", begin) - begin);
}

}  // namespace

ProgramFiles program_files(const fs::path& program) {
  ProgramFiles files;
  std::set<fs::path> folders;
  std::set<fs::path> seen;
  std::vector<fs::path> to_read;
  const auto add_program = [&](const fs::path& path) {
    files.executables.push_back(path);
    to_read.push_back(path);
  };
  add_program(program);
  if (const fs::path interpreter = script_interpreter(program); !interpreter.empty()) add_program(interpreter);
  while (!to_read.empty() && seen.size() < kMaxFiles) {
    std::error_code error;
    const fs::path path = fs::canonical(to_read.back(), error);
    to_read.pop_back();
    if (error || !fs::is_regular_file(path, error) || !seen.insert(path).second) continue;
    const ElfFile elf = read_elf(path);
    if (!elf.loader.empty()) files.executables.emplace_back(elf.loader);
    for (const std::string& entry : elf.run_paths) {
      if (const fs::path folder = resolve_run_path(entry, path.parent_path()); !folder.empty()) folders.insert(folder);
    }
    for (const std::string& name : elf.needed) {
      for (const fs::path& folder : folders) {
        if (!name.empty() && fs::exists(folder / name, error)) to_read.push_back(folder / name);
      }
    }
  }
  files.folders.assign(folders.begin(), folders.end());
  return files;
}

}  // namespace consilium::trainer
