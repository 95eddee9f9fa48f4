#include "client/trainer/data/gzip_file.h"

#include <spdlog/fmt/fmt.h>
#include <zlib.h>

#include <algorithm>
#include <utility>

namespace consilium::data {
namespace {

constexpr unsigned kBufferBytes = 256 * 1024;
constexpr std::size_t kMaxRead = std::size_t{1} << 30;  // gzread takes an unsigned, and returns an int

struct Closer {
  void operator()(gzFile_s* file) const { gzclose_r(file); }
};

class GzipFile : public ByteSource {
 public:
  explicit GzipFile(gzFile file) : file_(file) {}

  Result<void> read(std::span<std::byte> target) override {
    while (!target.empty()) {
      const int got = gzread(file_.get(), target.data(), static_cast<unsigned>(std::min(target.size(), kMaxRead)));
      CONSILIUM_TRY(check());
      if (got <= 0) return refuse(fmt::format("is truncated: expected at least {} more bytes", target.size()));
      target = target.subspan(static_cast<std::size_t>(got));
    }
    return {};
  }

  Result<void> expect_end() override {
    std::byte surplus{};
    const int got = gzread(file_.get(), &surplus, 1);
    CONSILIUM_TRY(check());
    if (got != 0) return refuse("holds more bytes than its header declares");
    return {};
  }

 private:
  Result<void> check() {
    int code = Z_OK;
    const char* message = gzerror(file_.get(), &code);
    if (code == Z_OK || code == Z_STREAM_END) return {};
    return refuse(code == Z_BUF_ERROR ? "is truncated: its gzip stream ends too early"
                                      : fmt::format("cannot be inflated: {}", message));
  }

  std::unique_ptr<gzFile_s, Closer> file_;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_plain_or_gzip(const std::filesystem::path& path, std::uint64_t& largest) {
  std::error_code reason;
  if (!std::filesystem::is_regular_file(path, reason)) return refuse("isn't a regular file");
  const std::uint64_t bytes = std::filesystem::file_size(path, reason);
  gzFile file = gzopen(path.c_str(), "rbe");
  if (file == nullptr) return refuse("cannot be opened");
  auto source = std::make_unique<GzipFile>(file);
  gzbuffer(file, kBufferBytes);
  largest = gzdirect(file) == 1 ? bytes : bytes * kMaxDeflateRatio;
  return std::unique_ptr<ByteSource>(std::move(source));
}

}  // namespace consilium::data
