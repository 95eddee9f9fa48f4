#include "client/trainer/data/npz_writer.h"

#include <spdlog/fmt/fmt.h>
#include <zip.h>

#include <list>
#include <memory>
#include <string>
#include <utility>

namespace consilium::data {
namespace {

constexpr zip_uint16_t kDosDate = (1 << 5) | 1;  // 1 January 1980: the same bytes whenever it is written

struct Discarder {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};

/// Returns a .npy header (format 1.0), padded so that the data begin at a multiple of 64 bytes.
std::string npy_header(std::string_view descr, const std::vector<std::size_t>& shape) {
  std::string dictionary =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({},), }}", descr, fmt::join(shape, ", "));
  constexpr std::size_t prefix = 10;
  dictionary.append(63 - (prefix + dictionary.size()) % 64, ' ').push_back('\n');
  std::string header("\x93NUMPY\x01\x00", 8);
  header.push_back(static_cast<char>(dictionary.size() & 0xFF));
  header.push_back(static_cast<char>(dictionary.size() >> 8));
  return header + dictionary;
}

/// A zip archive being built, and the small buffers that libzip reads when the archive is closed.
class Writer {
 public:
  explicit Writer(zip_t* archive) : archive_(archive) {}

  /// @param data must live until close()
  Result<void> add(const std::string& name, std::string header, const void* data, std::size_t bytes) {
    const std::string& kept = buffers_.emplace_back(std::move(header));
    zip_buffer_fragment_t fragments[2];
    fragments[0].data = reinterpret_cast<zip_uint8_t*>(const_cast<char*>(kept.data()));
    fragments[0].length = kept.size();
    fragments[1].data = static_cast<zip_uint8_t*>(const_cast<void*>(data));
    fragments[1].length = bytes;
    zip_source_t* source = zip_source_buffer_fragment(archive_.get(), fragments, bytes == 0 ? 1 : 2, 0);
    if (source == nullptr) return broken();
    const zip_int64_t index = zip_file_add(archive_.get(), (name + ".npy").c_str(), source, 0);
    if (index < 0) {
      zip_source_free(source);
      return broken();
    }
    const auto entry = static_cast<zip_uint64_t>(index);
    if (zip_set_file_compression(archive_.get(), entry, ZIP_CM_STORE, 0) != 0) return broken();
    if (zip_file_set_dostime(archive_.get(), entry, 0, kDosDate, 0) != 0) return broken();
    return {};
  }

  /// Keeps a buffer until close().
  const std::string& keep(std::string bytes) { return buffers_.emplace_back(std::move(bytes)); }

  Result<void> close() {
    if (zip_close(archive_.get()) != 0) return broken();
    (void)archive_.release();
    return {};
  }

 private:
  tl::unexpected<Error> broken() {
    return fail(ErrorCode::kInternal, fmt::format("cannot be written: {}", zip_strerror(archive_.get())));
  }

  std::list<std::string> buffers_;  // declared before archive_, which may still refer to them when it is discarded
  std::unique_ptr<zip_t, Discarder> archive_;
};

std::vector<std::size_t> image_shape(const Dataset& dataset, std::size_t examples) {
  std::vector<std::size_t> shape{examples};
  const bool grey = dataset.shape.size() == 3 && dataset.shape[0] == 1;
  for (std::size_t i = grey ? 1 : 0; i < dataset.shape.size(); ++i)
    shape.push_back(static_cast<std::size_t>(dataset.shape[i]));
  return shape;
}

Result<void> add_split(Writer& writer, const Dataset& dataset, const std::string& name, const Split& split) {
  const auto shape = image_shape(dataset, split.size());
  if (const auto* bytes = std::get_if<std::vector<std::uint8_t>>(&split.values)) {
    CONSILIUM_TRY(writer.add(name + "_images", npy_header("|u1", shape), bytes->data(), bytes->size()));
  } else {
    const auto& floats = std::get<std::vector<float>>(split.values);
    CONSILIUM_TRY(writer.add(name + "_images", npy_header("<f4", shape), floats.data(), floats.size() * sizeof(float)));
  }
  const std::vector<std::size_t> column{split.size(), 1};
  if (dataset.classes > 256) {
    return writer.add(name + "_labels", npy_header("<u2", column), split.labels.data(),
                      split.size() * sizeof(std::uint16_t));
  }
  std::string narrow;
  for (const std::uint16_t label : split.labels) narrow.push_back(static_cast<char>(label));
  const std::string& kept = writer.keep(std::move(narrow));
  return writer.add(name + "_labels", npy_header("|u1", column), kept.data(), kept.size());
}

Result<void> write(const std::filesystem::path& file, const Dataset& dataset) {
  for (const Split* split : {&dataset.train, &dataset.val, &dataset.test}) {
    const std::size_t values = std::visit([](const auto& v) { return v.size(); }, split->values);
    if (values == split->size() * dataset.example_size()) continue;
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("expected {} values for {} labels, found {}", split->size() * dataset.example_size(),
                            split->size(), values));
  }
  int code = 0;
  zip_t* archive = zip_open(file.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (archive == nullptr) return fail(ErrorCode::kInternal, fmt::format("cannot be created (libzip's error {})", code));
  Writer writer(archive);
  CONSILIUM_TRY(add_split(writer, dataset, "train", dataset.train));
  CONSILIUM_TRY(add_split(writer, dataset, "val", dataset.val));
  CONSILIUM_TRY(add_split(writer, dataset, "test", dataset.test));
  return writer.close();
}

}  // namespace

Result<void> write_npz(const std::filesystem::path& file, const Dataset& dataset) {
  auto written = write(file, dataset);
  if (!written) return fail(written.error().within(file.string()));
  return {};
}

}  // namespace consilium::data
