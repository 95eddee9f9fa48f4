#include "client/trainer/decode/gunzip.h"

#include <spdlog/fmt/fmt.h>
#include <zlib.h>

#include <algorithm>
#include <limits>

namespace consilium::decode {

namespace {

constexpr std::size_t kStep = std::size_t{1} << 20;
constexpr int kGzipWindow = 15 + 16;  // the largest window, and gzip's header

/// Owns zlib's state.
class Inflater {
 public:
  Inflater() : ready_(inflateInit2(&stream_, kGzipWindow) == Z_OK) {}
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  [[nodiscard]] bool ready() const { return ready_; }
  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

Error broken(std::string_view how) {
  return {ErrorCode::kInvalidArgument, fmt::format("the file's gzip compression is {}", how)};
}

/// Decompresses until the end, or until the output exceeds `max_bytes`.
Result<std::vector<std::uint8_t>> unpack(Bytes file, std::uint64_t max_bytes) {
  Inflater inflater;
  if (!inflater.ready()) return fail(ErrorCode::kResourceExhausted, "zlib has no memory");
  z_stream& stream = inflater.stream();
  std::vector<std::uint8_t> unpacked;
  std::size_t filled = 0;
  bool member_ended = false;
  while (filled <= max_bytes) {
    if (stream.avail_in == 0) {
      if (file.empty()) break;
      const std::size_t part = std::min<std::size_t>(file.size(), std::numeric_limits<uInt>::max());
      stream.next_in = const_cast<Bytef*>(file.data());
      stream.avail_in = static_cast<uInt>(part);
      file = file.subspan(part);
    }
    if (member_ended) {  // what follows is another member, or zeros that pad a tape's block
      if (*stream.next_in != 0x1f) break;
      inflateReset(&stream);
      member_ended = false;
    }
    unpacked.resize(std::max(filled + kStep, std::min<std::size_t>(2 * filled, max_bytes + 1)));
    const std::size_t room = std::min<std::size_t>(unpacked.size() - filled, std::numeric_limits<uInt>::max());
    stream.next_out = unpacked.data() + filled;
    stream.avail_out = static_cast<uInt>(room);
    const int state = inflate(&stream, Z_NO_FLUSH);
    filled += room - stream.avail_out;
    if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) return fail(broken("damaged"));
    member_ended = state == Z_STREAM_END;
  }
  unpacked.resize(filled);
  if (filled <= max_bytes && !member_ended) return fail(broken("cut off"));
  return unpacked;
}

}  // namespace

bool is_gzip(Bytes file) { return file.size() >= 3 && file[0] == 0x1f && file[1] == 0x8b && file[2] == 8; }

Result<std::vector<std::uint8_t>> gunzip(Bytes file, std::uint64_t max_bytes) {
  CONSILIUM_ASSIGN(std::vector<std::uint8_t> unpacked, unpack(file, max_bytes));
  if (unpacked.size() > max_bytes) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("the file unpacks to more than the limit of {} bytes", max_bytes));
  }
  return unpacked;
}

Result<std::vector<std::uint8_t>> gunzip_beginning(Bytes file, std::uint64_t max_bytes) {
  CONSILIUM_ASSIGN(std::vector<std::uint8_t> unpacked, unpack(file, max_bytes));
  if (unpacked.size() > max_bytes) unpacked.resize(max_bytes);
  return unpacked;
}

}  // namespace consilium::decode
