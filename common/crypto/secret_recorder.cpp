#include "common/crypto/secret_recorder.h"

#ifdef NDEBUG
#error "CONSILIUM_RECORD_SECRETS writes every key to a file: it is for tests in Debug builds alone"
#endif

#include <fcntl.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <mutex>

namespace consilium::crypto {
namespace {

void append(int file, std::span<const std::uint8_t> value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::array<char, 2> digits{};
  for (const std::uint8_t byte : value) {
    digits = {kDigits[byte >> 4], kDigits[byte & 15]};
    if (::write(file, digits.data(), digits.size()) != 2) std::abort();
  }
  if (::write(file, "\n", 1) != 1) std::abort();
  OPENSSL_cleanse(digits.data(), digits.size());
}

}  // namespace

void record_secret(std::span<const std::uint8_t> value) noexcept {
  const char* name = std::getenv("CONSILIUM_SECRETS_FILE");
  if (name == nullptr) return;
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  const int file = ::open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) std::abort();
  append(file, value);
  ::close(file);
}

}  // namespace consilium::crypto
