#include "common/crypto/base64.h"

#include <openssl/evp.h>

#include <algorithm>
#include <limits>

namespace consilium::crypto {

std::string to_base64(std::span<const std::byte> bytes) {
  constexpr std::size_t kPiece = 3 << 20;  // OpenSSL counts in int. A multiple of 3 needs no padding
  static_assert(kPiece / 3 * 4 < std::numeric_limits<int>::max());
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(kPiece, bytes.size()));
    std::string encoded((piece.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL appends a zero byte
    const int length =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                        reinterpret_cast<const unsigned char*>(piece.data()), static_cast<int>(piece.size()));
    text.append(encoded, 0, static_cast<std::size_t>(length));
    bytes = bytes.subspan(piece.size());
  }
  return text;
}

}  // namespace consilium::crypto
