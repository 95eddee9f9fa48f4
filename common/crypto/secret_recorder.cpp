#include "common/crypto/secret_recorder.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>

namespace consilium::crypto {
namespace {

void append(int file, std::span<const std::uint8_t> value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::array<char, 4096> text{};
  std::size_t used = 0;
  const auto flush = [&] {
    if (::write(file, text.data(), used) != static_cast<ssize_t>(used)) std::abort();
    used = 0;
  };
  for (const std::uint8_t byte : value) {
    if (used + 2 >= text.size()) flush();
    text[used++] = kDigits[byte >> 4];
    text[used++] = kDigits[byte & 15];
  }
  text[used++] = '\n';
  flush();
  OPENSSL_cleanse(text.data(), text.size());
}

}  // namespace

void record_secret(std::span<const std::uint8_t> value) noexcept {
  const char* name = std::getenv("CONSILIUM_SECRETS_FILE");
  if (name == nullptr || std::ranges::all_of(value, [](std::uint8_t byte) { return byte == 0; })) return;
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  const int file = ::open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) std::abort();
  append(file, value);
  ::close(file);
}

}  // namespace consilium::crypto
