#pragma once

#include <unistd.h>
#include <zip.h>
#include <zlib.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "client/trainer/data/dataset.h"
#include "tests/catch.h"

namespace consilium::data::testing {

/// A folder that the destructor removes.
struct Folder {
  std::filesystem::path path;
  Folder() {
    static std::atomic<int> count{0};
    path = std::filesystem::temp_directory_path() /
           ("consilium_data_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

inline std::string slurp(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void spill(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

inline void spill_gzip(const std::filesystem::path& file, const std::string& bytes) {
  gzFile target = gzopen(file.c_str(), "wb");
  REQUIRE(gzwrite(target, bytes.data(), static_cast<unsigned>(bytes.size())) == static_cast<int>(bytes.size()));
  gzclose(target);
}

using Entries = std::vector<std::pair<std::string, std::string>>;

/// Writes a zip archive with libzip.
inline void write_zip(const std::filesystem::path& file, const Entries& entries, zip_int32_t method = ZIP_CM_STORE) {
  int code = 0;
  zip_t* archive = zip_open(file.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  REQUIRE(archive != nullptr);
  for (const auto& [name, bytes] : entries) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, name.c_str(), source, 0);
    REQUIRE(index >= 0);
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), method, 0);
  }
  REQUIRE(zip_close(archive) == 0);
}

/// Returns a .npy file of format 1.0 from its dictionary and data.
inline std::string npy(const std::string& dictionary, const std::string& data) {
  const auto length = static_cast<std::uint16_t>(dictionary.size());
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes.push_back(static_cast<char>(length & 0xFF));
  bytes.push_back(static_cast<char>(length >> 8));
  return bytes + dictionary + data;
}

inline std::string dictionary(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// Three grey images of 2x2 and their labels 0, 1, 2.
inline const std::string& pixels() {
  static const std::string twelve = bytes_of(std::vector<std::uint8_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255});
  return twelve;
}
inline std::string good_images() { return npy(dictionary("|u1", "(3, 2, 2)"), pixels()); }
inline std::string good_labels() { return npy(dictionary("|u1", "(3, 1)"), std::string("\0\1\2", 3)); }

inline Result<Dataset> read_npz_file(const std::filesystem::path& file, std::vector<std::int64_t> input = {1, 2, 2},
                                     std::int64_t classes = 3, ReadLimits limits = {}) {
  return read_dataset({.type = "npz", .path = file.string()}, input, classes, limits);
}

inline void check_refused(const Result<Dataset>& dataset, const std::string& part) {
  CAPTURE(part);
  REQUIRE_FALSE(dataset);
  CHECK_THAT(dataset.error().message, Catch::Contains(part));
}

}  // namespace consilium::data::testing
