#include "common/crypto/secret_bytes.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <string>
#include <utility>

#include "common/crypto/secret_recorder.h"

namespace consilium::crypto {
namespace {

/// 200 simulated sites in one process hold 2.6 MB of shares; a single site needs 50 KiB.
constexpr std::size_t kLargestHeap = std::size_t{16} << 20;
constexpr std::size_t kSmallestLockedHeap = std::size_t{4} << 20;
constexpr std::size_t kSmallestBlock = 32;

enum class HeapState { kAbsent, kUnlocked, kLocked };

/// Creates the heap as large as RLIMIT_MEMLOCK allows it to be locked. If the limit is too low, creates it at full
/// size, unlocked.
HeapState make_heap() {
  constexpr int kMade = 1;  // OpenSSL returns 2 if it can't lock the pages, guard them, or keep them out of dumps
  for (std::size_t size = kLargestHeap; size >= kSmallestLockedHeap; size /= 2) {
    if (CRYPTO_secure_malloc_init(size, kSmallestBlock) == kMade) return HeapState::kLocked;
    if (CRYPTO_secure_malloc_initialized() != 1 || CRYPTO_secure_malloc_done() != 1) break;
  }
  CRYPTO_secure_malloc_init(kLargestHeap, kSmallestBlock);
  return CRYPTO_secure_malloc_initialized() == 1 ? HeapState::kUnlocked : HeapState::kAbsent;
}

HeapState heap_state() {
  static const HeapState state = make_heap();
  return state;
}

}  // namespace

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    wipe();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Result<SecretBytes> SecretBytes::allocate(std::size_t size) {
  if (size == 0) return SecretBytes();
  if (heap_state() == HeapState::kAbsent) return fail(ErrorCode::kInternal, "the system gave no memory for secrets");
  auto* data = static_cast<std::uint8_t*>(OPENSSL_secure_zalloc(size));
  if (data == nullptr) {
    return fail(ErrorCode::kResourceExhausted, "the memory for secrets has no room for " + std::to_string(size) +
                                                   " bytes: " + std::to_string(CRYPTO_secure_used()) + " are in use");
  }
  return SecretBytes(data, size);
}

Result<SecretBytes> SecretBytes::copy_of(std::span<const std::uint8_t> source) {
  CONSILIUM_ASSIGN(SecretBytes copy, allocate(source.size()));
  std::copy(source.begin(), source.end(), copy.data_);
  return copy;
}

void SecretBytes::wipe() noexcept {
  if (data_ == nullptr) return;
  record_secret(bytes());
  OPENSSL_secure_clear_free(std::exchange(data_, nullptr), std::exchange(size_, 0));
}

bool secrets_locked() { return heap_state() == HeapState::kLocked; }

bool equal_in_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  if (a.size() != b.size()) return false;
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace consilium::crypto
