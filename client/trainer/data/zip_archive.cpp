#include "client/trainer/data/zip_archive.h"

#include <spdlog/fmt/fmt.h>
#include <zip.h>

#include <algorithm>
#include <map>
#include <utility>

namespace consilium::data {
namespace {

constexpr zip_int64_t kMaxEntries = 10000;

struct Closer {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};

class ZipEntry : public ByteSource {
 public:
  explicit ZipEntry(zip_file_t* file) : file_(file) {}

  Result<void> read(std::span<std::byte> target) override {
    while (!target.empty()) {
      const zip_int64_t got = zip_fread(file_.get(), target.data(), target.size());
      if (got < 0) return refuse(broken());
      if (got == 0) return refuse(fmt::format("is truncated: expected at least {} more bytes", target.size()));
      target = target.subspan(static_cast<std::size_t>(got));
    }
    return {};
  }

  Result<void> expect_end() override {
    std::byte surplus{};
    const zip_int64_t got = zip_fread(file_.get(), &surplus, 1);
    if (got < 0) return refuse(broken());
    if (got > 0) return refuse("holds more bytes than its header declares");
    return {};
  }

 private:
  std::string broken() {
    return fmt::format("cannot be inflated: {}", zip_error_strerror(zip_file_get_error(file_.get())));
  }

  std::unique_ptr<zip_file_t, Closer> file_;
};

}  // namespace

struct ZipArchive::Handle {
  std::unique_ptr<zip_t, Closer> archive;
  std::map<std::string, zip_uint64_t> entries;
  std::uint64_t file_bytes = 0;
};

ZipArchive::ZipArchive(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
ZipArchive::~ZipArchive() = default;
ZipArchive::ZipArchive(ZipArchive&&) noexcept = default;
ZipArchive& ZipArchive::operator=(ZipArchive&&) noexcept = default;

Result<ZipArchive> ZipArchive::open(const std::filesystem::path& file) {
  std::error_code reason;
  const auto status = std::filesystem::status(file, reason);
  if (!std::filesystem::exists(status)) return fail(ErrorCode::kNotFound, "no such file");
  if (!std::filesystem::is_regular_file(status)) return refuse("isn't a regular file");
  int code = 0;
  auto handle = std::make_unique<Handle>();
  handle->file_bytes = std::filesystem::file_size(file, reason);
  handle->archive.reset(zip_open(file.c_str(), ZIP_RDONLY, &code));
  if (!handle->archive) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string message = zip_error_strerror(&error);
    zip_error_fini(&error);
    return refuse(fmt::format("cannot be opened as a zip archive (.npz): {}", message));
  }
  const zip_int64_t count = zip_get_num_entries(handle->archive.get(), 0);
  if (count < 0 || count > kMaxEntries)
    return refuse(fmt::format("holds {} entries, at most {} are accepted", count, kMaxEntries));
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
    const char* name = zip_get_name(handle->archive.get(), i, ZIP_FL_ENC_RAW);
    if (name == nullptr) return refuse(fmt::format("entry {} has no name", i));
    if (!handle->entries.emplace(name, i).second)
      return refuse(fmt::format("holds two entries of the same name (number {} is the second)", i));
  }
  return ZipArchive(std::move(handle));
}

std::vector<std::string> ZipArchive::names() const {
  std::vector<std::string> names;
  for (const auto& [name, index] : handle_->entries) names.push_back(name);
  return names;
}

bool ZipArchive::contains(const std::string& entry) const { return handle_->entries.contains(entry); }

Result<std::uint64_t> ZipArchive::size_of(const std::string& entry) const {
  zip_stat_t status;
  zip_stat_init(&status);
  constexpr zip_uint64_t needed =
      ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  const bool known = zip_stat_index(handle_->archive.get(), handle_->entries.at(entry), 0, &status) == 0;
  if (!known || (status.valid & needed) != needed) return refuse("its entry in the archive is incomplete");
  if (status.encryption_method != ZIP_EM_NONE) return refuse("is encrypted, expected plain data");
  if (status.comp_method != ZIP_CM_STORE && status.comp_method != ZIP_CM_DEFLATE) {
    return refuse(fmt::format("is compressed by method {}, expected stored or deflated", status.comp_method));
  }
  if (status.comp_size > handle_->file_bytes) {
    return refuse(
        fmt::format("declares {} compressed bytes, the whole file has {}", status.comp_size, handle_->file_bytes));
  }
  const bool fits = status.comp_method == ZIP_CM_STORE ? status.size == status.comp_size
                                                       : status.size / kMaxDeflateRatio <= status.comp_size;
  if (!fits)
    return refuse(fmt::format("declares {} bytes, which is more than its {} compressed bytes can hold", status.size,
                              status.comp_size));
  return status.size;
}

Result<std::unique_ptr<ByteSource>> ZipArchive::open_entry(const std::string& entry) const {
  zip_file_t* file = zip_fopen_index(handle_->archive.get(), handle_->entries.at(entry), 0);
  if (file == nullptr) return refuse(fmt::format("cannot be opened: {}", zip_strerror(handle_->archive.get())));
  return std::unique_ptr<ByteSource>(std::make_unique<ZipEntry>(file));
}

}  // namespace consilium::data
